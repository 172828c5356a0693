/** What decoders of actions share. */
import type { Action, Subfield } from "../action/types.ts";
import type { Field } from "../field/types.ts";
import { fromOfp11Port } from "../ports.ts";
import type { ByteReader } from "./bytes.ts";

export interface DecodeContext {
  readonly version: number;
  /** Reads actions within an action, up to the reader's end. */
  nested(input: ByteReader): Action[];
}

export type Decode = (input: ByteReader, context: DecodeContext) => Action;

/** A port as the version has it: 16 or 32 bits. Throws OFPBAC_BAD_OUT_PORT. */
export function readPort(input: ByteReader, version: number): number {
  if (version === 1) return input.u16();
  const port = fromOfp11Port(input.u32());
  if (port === undefined) throw input.fail("OFPBAC_BAD_OUT_PORT");
  return port;
}

export function readSubfield(input: ByteReader, field: Field, offset: number, bits: number): Subfield {
  if (bits === 0 || offset + bits > field.bits)
    throw input.fail("OFPBAC_BAD_SET_LEN", `${field.name}[${offset}..${offset + bits - 1}]`);
  return { field, offset, bits };
}

/** A subfield whose ofs_nbits stands before the header. */
export function subfieldOf(input: ByteReader, ofsNbits: number, field: Field): Subfield {
  return readSubfield(input, field, ofsNbits >> 6, (ofsNbits & 63) + 1);
}
