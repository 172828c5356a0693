/** multipath and bundle: choosing one of several by a hash of the packet (ovs-actions(7)). */
import { type ActionOf, OFPP } from "@weft/openflow";
import { WORD } from "../flow/key.ts";
import type { Context } from "./context.ts";
import { finishHash, hashFields, mixHash } from "./hash.ts";
import { fieldValueText, subfieldText } from "./text.ts";

/** Highest random weight: the link whose hash with the packet's is the greatest. */
function highestRandomWeight(hash: number, count: number): number {
  let best = 0;
  let bestWeight = -1;
  for (let link = 0; link < count; link++) {
    const weight = finishHash(mixHash(hash, link));
    if (weight > bestWeight) {
      best = link;
      bestWeight = weight;
    }
  }
  return best;
}

function choose(algorithm: ActionOf<"multipath">["algorithm"], hash: number, links: number, arg: number): number {
  switch (algorithm) {
    case "modulo_n":
      return hash % links;
    case "hash_threshold":
      if (links === 1) return 0;
      return Math.floor(hash / (0x1_0000_0000 / links));
    case "hrw":
      return links <= 64 ? highestRandomWeight(hash, links) : hash % links;
    case "iter_hash": {
      const modulo = links <= 1 ? 1 : 2 ** Math.ceil(Math.log2(links));
      let h = hash;
      for (let i = 0; i < 16; i++) {
        const link = h % modulo;
        if (link < links) return link;
        h = finishHash(mixHash(h, arg));
      }
      return hash % links;
    }
  }
}

export function xlateMultipath(ctx: Context, action: ActionOf<"multipath">): void {
  const hash = hashFields(ctx, action.fields, action.basis);
  const link = choose(action.algorithm, hash, action.links, action.arg);
  ctx.writeSubfield(action.dst, BigInt(link));
  if (ctx.tracing) {
    ctx.report("detail", `${subfieldText(action.dst)} is now ${fieldValueText(action.dst, BigInt(link))}`);
  }
}

/** Is a port there and up, also by what BFD says, so that packets may be given to it? */
export function portAlive(ctx: Context, port: number): boolean {
  const found = ctx.bridge.ports.get(port === OFPP.IN_PORT ? (ctx.flow[WORD.in_port] as number) : port);
  return found !== undefined && found.up && found.carrier && (found.bfd?.forwarding ?? true);
}

export function xlateBundle(ctx: Context, action: ActionOf<"bundle">, last: boolean): void {
  let port: number = OFPP.NONE;
  if (action.algorithm === "active_backup") {
    port = action.ports.find((candidate) => portAlive(ctx, candidate)) ?? OFPP.NONE;
  } else {
    const hash = hashFields(ctx, action.fields, action.basis);
    const alive = action.ports.filter((candidate) => portAlive(ctx, candidate));
    if (alive.length > 0) port = alive[highestRandomWeight(hash, alive.length)] as number;
  }
  if (action.dst !== undefined) {
    ctx.writeSubfield(action.dst, BigInt(port));
    if (ctx.tracing) ctx.report("detail", `${subfieldText(action.dst)} is now ${fieldValueText(action.dst, BigInt(port))}`);
  } else if (port !== OFPP.NONE) ctx.engine.output(ctx, port, 0, last);
}
