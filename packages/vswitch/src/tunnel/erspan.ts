/**
 * Headers of mirrored frames, ERSPAN types II and III (draft-foschiano-erspan-03), which Open vSwitch calls versions 1 and 2,
 * behind a GRE header with a sequence number (RFC 2890).
 */

/** What a header says beside its session, the tunnel's key of 10 bits. */
export type Erspan =
  | {
      readonly version: 1;
      /** Port number and direction of whatever mirrors: 20 bits. */
      readonly index: number;
    }
  | {
      readonly version: 2;
      /** 0: received, 1: sent by whom the mirror watches. */
      readonly direction: number;
      /** 6 bits. */
      readonly hardware: number;
    };

export const ERSPAN_SESSIONS = 1024;

const GRE_SEQUENCE = 0x1000;
const ETHERTYPES = { 1: 0x88be, 2: 0x22eb } as const;
/** Of the GRE header with its sequence number. */
const GRE_LENGTH = 8;
const LENGTHS = { 1: GRE_LENGTH + 8, 2: GRE_LENGTH + 12 } as const;
/** Ticks of a type III timestamp in a ms: of granularity 0, 100 µs. */
const TICKS = 10;

const viewOf = (bytes: Uint8Array, at: number, length: number): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset + at, length);

/** GRE and ERSPAN headers, big-endian; sequence number and timestamp are zero. */
export function erspanHeader(erspan: Erspan, session: number): Uint8Array {
  const bytes = new Uint8Array(LENGTHS[erspan.version]);
  const view = viewOf(bytes, 0, bytes.length);
  view.setUint16(0, GRE_SEQUENCE);
  view.setUint16(2, ETHERTYPES[erspan.version]);
  view.setUint16(GRE_LENGTH, erspan.version << 12);
  view.setUint16(GRE_LENGTH + 2, session);
  if (erspan.version === 1) view.setUint32(GRE_LENGTH + 4, erspan.index);
  else view.setUint16(GRE_LENGTH + 10, (erspan.hardware << 4) | (erspan.direction << 3));
  return bytes;
}

/** Fills in what differs from frame to frame. `now`: monotonic ms. */
export function stampErspan(bytes: Uint8Array, at: number, { version }: Erspan, sequence: number, now: number): void {
  const view = viewOf(bytes, at, LENGTHS[version]);
  view.setUint32(4, sequence);
  if (version === 2) view.setUint32(GRE_LENGTH + 4, Math.floor(now * TICKS) % 2 ** 32);
}

/** What the headers at `at` say, and how long they are; undefined: it is no ERSPAN of these types. */
export function readErspan(
  bytes: Uint8Array,
  at: number,
): { readonly erspan: Erspan; readonly session: number; readonly length: number } | undefined {
  if (bytes.length < at + LENGTHS[1]) return undefined;
  const view = viewOf(bytes, at, bytes.length - at);
  const version = view.getUint16(GRE_LENGTH) >>> 12;
  if ((version !== 1 && version !== 2) || view.getUint16(0) !== GRE_SEQUENCE || view.getUint16(2) !== ETHERTYPES[version])
    return undefined;
  const length = LENGTHS[version];
  if (bytes.length < at + length) return undefined;
  const session = view.getUint16(GRE_LENGTH + 2) & (ERSPAN_SESSIONS - 1);
  if (version === 1) return { erspan: { version, index: view.getUint32(GRE_LENGTH + 4) & 0xfffff }, session, length };
  const word = view.getUint16(GRE_LENGTH + 10);
  return { erspan: { version, direction: (word >>> 3) & 1, hardware: (word >>> 4) & 0x3f }, session, length };
}
