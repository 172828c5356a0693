/** The shape of a message's row in the codec table. */
import type { Envelope, Message, MessageOf, MessageType } from "../message/types.ts";
import type { ActionLists } from "./actionLists.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";

/** Where a message stands in some versions: as a standard type, a Nicira or ONF message, or a multipart type. */
export interface Where {
  readonly place: "standard" | "nx" | "onf" | "request" | "reply" | "nx-request" | "nx-reply" | "onf-request" | "onf-reply";
  readonly number: number;
  /** First and last wire version. */
  readonly first: number;
  readonly last: number;
}

export interface EncodeOptions {
  /**
   * OpenFlow 1.0: whether flow messages use NXT_FLOW_MOD and NXST_FLOW ("nxm", the default) or the protocol's own
   * ("openflow10", which knows few fields).
   */
  readonly flowFormat?: "openflow10" | "nxm";
  /** OpenFlow 1.0: flow mods carry the table (after NXT_FLOW_MOD_TABLE_ID). Default: true. */
  readonly flowModTableId?: boolean;
}

export interface EncodeState {
  readonly out: ByteWriter;
  readonly version: number;
  readonly xid: number;
  readonly options: EncodeOptions;
  /** Writes a message within this one. */
  inner(envelope: Envelope): void;
}

export interface DecodeState {
  readonly input: ByteReader;
  readonly version: number;
  readonly xid: number;
  readonly where: Where;
  /** More parts follow (multipart replies). */
  readonly more: boolean;
  readonly options: DecodeOptions;
  /** Reads a message within this one. Throws a DecodeError. */
  inner(bytes: Uint8Array): Envelope;
}

export interface DecodeOptions {
  /** OpenFlow 1.0: flow mods carry the table. Default: true. */
  readonly flowModTableId?: boolean;
  /** For who reads all flows of a switch: flows with the same actions share them. */
  readonly actionLists?: ActionLists;
}

/** One type of message. */
export interface Row {
  readonly type: MessageType;
  readonly where: readonly Where[];
  /** Chooses among `where` for a version; absent: the first that has the version. */
  readonly choose?: (message: Message, version: number, options: EncodeOptions) => Where | undefined;
  readonly encode: (message: Message, state: EncodeState) => void;
  readonly decode: (state: DecodeState) => Message;
}

/** Makes a row from functions of the message's own type. */
export function row<T extends MessageType>(
  type: T,
  where: readonly Where[],
  encode: (message: MessageOf<T>, state: EncodeState) => void,
  decode: (state: DecodeState) => MessageOf<T>,
  choose?: (message: MessageOf<T>, version: number, options: EncodeOptions) => Where | undefined,
): Row {
  return {
    type,
    where,
    // The table is looked up by type, so that each function gets its own type's messages only.
    encode: encode as Row["encode"],
    decode: decode as Row["decode"],
    ...(choose === undefined ? {} : { choose: choose as NonNullable<Row["choose"]> }),
  };
}

export function standard(number: number, first = 1, last = 6): Where {
  return { place: "standard", number, first, last };
}

export function nicira(number: number, first = 1, last = 6): Where {
  return { place: "nx", number, first, last };
}

/** ONF's extensions exist for OpenFlow 1.3 only. */
export function onf(number: number): Where {
  return { place: "onf", number, first: 4, last: 4 };
}

export function multipart(place: "request" | "reply", number: number, first = 1, last = 6): Where {
  return { place, number, first, last };
}

/** ONF's extensions exist for OpenFlow 1.3 only. */
export function onfStats(place: "onf-request" | "onf-reply", number: number): Where {
  return { place, number, first: 4, last: 4 };
}

export function niciraStats(place: "nx-request" | "nx-reply", number: number, first = 1, last = 6): Where {
  return { place, number, first, last };
}
