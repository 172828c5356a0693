/** OpenFlow errors: by name and by number, and as exceptions of the decoder. */
import { WeftError } from "@weft/runtime";
import { ERROR_TABLE } from "./errorTable.ts";

const VENDOR: Readonly<Record<string, number>> = { N: 0x2320, O: 0x4f4e4600 };

export interface ErrorCode {
  /** Experimenter id, or 0. */
  readonly vendor: number;
  readonly type: number;
  readonly code: number;
}

/** By name: the numbers in wire versions 1 to 6 at indexes 0 to 5. */
const byName = new Map<string, readonly (ErrorCode | undefined)[]>();
const byNumber = new Map<string, string>();

for (const line of ERROR_TABLE.trim().split("\n")) {
  const [name, ...runs] = line.split(" ") as [string, ...string[]];
  const codes: (ErrorCode | undefined)[] = [];
  for (const run of runs) {
    const [, vendor, type, code, times] = /^(?:([NO])?(\d+)\.(\d+)|-)(?:\*(\d+))?$/.exec(run)!;
    const value =
      type === undefined
        ? undefined
        : { vendor: vendor === undefined ? 0 : VENDOR[vendor]!, type: Number(type), code: Number(code) };
    for (let i = 0; i < Number(times ?? 1); i++) codes.push(value);
  }
  byName.set(name, codes);
  codes.forEach((c, i) => {
    if (c !== undefined) {
      const key = `${i + 1}/${c.vendor}/${c.type}/${c.code}`;
      if (!byNumber.has(key)) byNumber.set(key, name);
    }
  });
}

/** Names of all errors. */
export const ERROR_NAMES: readonly string[] = [...byName.keys()];

/** The numbers of an error in a wire version; undefined where the version has none. */
export function errorCode(name: string, version: number): ErrorCode | undefined {
  return byName.get(name)?.[version - 1];
}

export function errorName(version: number, vendor: number, type: number, code: number): string | undefined {
  return byNumber.get(`${version}/${vendor}/${type}/${code}`);
}

/**
 * A message that does not decode. `error` is the OpenFlow error to answer with (e.g. "OFPBMC_BAD_PREREQ"); the place has
 * the byte offset within the message.
 */
export class DecodeError extends WeftError {
  readonly error: string;

  constructor(error: string, offset: number, detail?: string) {
    super("openflow.decode", `${error} at byte ${offset}${detail === undefined ? "" : `: ${detail}`}`, { place: { offset } });
    this.error = error;
  }
}

/** A message that cannot be said in the version of OpenFlow that was asked for. */
export class EncodeError extends WeftError {
  constructor(message: string) {
    super("openflow.encode", message, { blame: "caller" });
  }
}
