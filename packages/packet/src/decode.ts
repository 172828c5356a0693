/** From bytes to a list of layers. Lenient: what cannot be read becomes payload bytes with the problem beside them. */

import { codecFor } from "./codecs.ts";
import { MalformedError, TruncatedError } from "./errors.ts";
import type { Under } from "./wire/codec.ts";
import type { Header, HeaderOf } from "./wire/header.ts";
import type { Kind } from "./wire/kind.ts";

/** One header of a packet and its place in the frame. */
export interface Layer<H extends Header = Header> {
  readonly header: H;
  /** Where it begins and where what it carries begins. */
  readonly start: number;
  readonly payload: number;
  /** Behind its last byte that is there. */
  readonly end: number;
  /** How many bytes are missing of those that its own length fields promise; 0 for a whole packet. */
  readonly missing: number;
  /** On a payload: why the bytes were not read as the protocol that was announced. */
  readonly problem?: LayerProblem | undefined;
}

export interface LayerProblem {
  /** What the bytes were announced to be. */
  readonly expected: Kind;
  readonly error: TruncatedError | MalformedError;
}

/** Headers nest at most this deep (tunnels in tunnels, errors about errors); the rest is payload. */
const MAX_LAYERS = 64;

/**
 * Decodes a frame, outermost layer first. `first` is the kind of the first header: "ethernet", or "ipv4" and the like for
 * bytes that begin with the network header. Never throws for any bytes.
 */
export function decode(frame: Uint8Array, first: Kind = "ethernet"): Layer[] {
  const layers: { header: Header; start: number; payload: number; end: number; missing: number; problem?: LayerProblem }[] = [];
  let kind = first as Kind | undefined;
  let start = 0;
  let end = frame.length;
  let under: Under | undefined;
  let before: Header | undefined;
  while (layers.length === 0 || start < end) {
    let problem: LayerProblem | undefined;
    const expected = kind;
    if (expected !== undefined && layers.length < MAX_LAYERS) {
      try {
        const parsed = codecFor(expected, before, frame, start, end).parse(frame, start, end, under);
        const there = Math.min(parsed.end, end);
        layers.push({
          header: parsed.header,
          start,
          payload: parsed.payload,
          end: there,
          missing: Math.max(parsed.end - end, 0),
        });
        under = parsed.under ?? under;
        before = parsed.header;
        start = parsed.payload;
        end = there;
        kind = parsed.next;
        continue;
      } catch (error) {
        if (!(error instanceof TruncatedError || error instanceof MalformedError)) throw error;
        problem = { expected, error };
      }
    }
    const missing = problem?.error instanceof TruncatedError ? problem.error.missing : 0;
    const payload = { kind: "payload", bytes: frame.subarray(start, end) } as const;
    layers.push({ header: payload, start, payload: end, end, missing, ...(problem ? { problem } : {}) });
    break;
  }
  return withTrailers(frame, layers);
}

/** Bytes behind the layer inside, but within the one around it, belong to the innermost layer that reaches over them. */
function withTrailers(frame: Uint8Array, layers: { header: Header; end: number }[]): Layer[] {
  for (let i = 0; i + 1 < layers.length; i++) {
    const outer = layers[i]!;
    const inner = layers[i + 1]!;
    if (inner.end < outer.end) outer.header = { ...outer.header, trailer: frame.subarray(inner.end, outer.end) };
  }
  return layers as Layer[];
}

/** The `nth` header of a kind, counted from the outside; negative from the inside (-1 is the innermost). */
export function find<K extends Kind>(layers: readonly Layer[], kind: K, nth = 0): HeaderOf<K> | undefined {
  return findLayer(layers, kind, nth)?.header;
}

/** As {@link find}, with the header's place. */
export function findLayer<K extends Kind>(layers: readonly Layer[], kind: K, nth = 0): Layer<HeaderOf<K>> | undefined {
  const of = layers.filter((layer): layer is Layer<HeaderOf<K>> => layer.header.kind === kind);
  return of.at(nth);
}

/** The headers alone, as emit takes them. */
export function headers(layers: readonly Layer[]): Header[] {
  return layers.map((layer) => layer.header);
}

/** Layers behind the last Geneve or VXLAN header: the packet inside a tunnel. Empty where there is no tunnel. */
export function innerLayers(layers: readonly Layer[]): readonly Layer[] {
  const at = layers.findLastIndex(({ header }) => header.kind === "geneve" || header.kind === "vxlan");
  return at < 0 ? [] : layers.slice(at + 1);
}
