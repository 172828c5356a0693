/** Mirrors: copies of what comes in or goes out of selected ports (ovs-vswitchd.conf.db(5), Mirror). */
import { isMacReserved } from "@weft/packet";
import { macAt } from "../datapath/fields.ts";
import { WORD } from "../flow/key.ts";
import type { Bridge } from "../ofproto/bridge.ts";
import { type Bundle, bundleIncludesVlan, type OfPort } from "../ofproto/port.ts";
import type { Context } from "./context.ts";
import { inputBundle, outputNormal } from "./normal.ts";
import { inputTags, inputVlanValid, type Tags, tagsOf } from "./vlan.ts";

type Output = (ctx: Context, port: number, last: boolean) => void;

function mirror(ctx: Context, wanted: number, tags: Tags, output: Output): void {
  const { bridge } = ctx;
  let left = wanted & ~ctx.mirrors;
  if (left === 0) return;
  for (const one of bridge.mirrors) {
    const bit = 1 << one.index;
    if ((left & bit) === 0) continue;
    if (one.vlans !== undefined) {
      ctx.look(WORD.vlan_tci, 0x1fff);
      if (!one.vlans.has(tags[0].vid)) {
        left &= ~bit;
        continue;
      }
    }
    ctx.mirrors |= bit;
    ctx.effects.push({ kind: "mirror", mirror: one });
    if (one.snaplen > 0 && one.snaplen < 65535) ctx.odp.push({ type: "trunc", max: one.snaplen });
    const send = (bundle: Bundle, withTags: Tags): void => {
      outputNormal(ctx, bundle, withTags, (port, last) => output(ctx, port, last), false);
    };
    if (one.out !== undefined) send(one.out, tags);
    else if (one.outVlan !== undefined && one.outVlan !== tags[0].vid && !isMacReserved(macAt(ctx.flow, WORD.eth_dst))) {
      const moved: Tags = [{ tpid: 0x8100, vid: one.outVlan, pcp: tags[0].pcp }, tags[1]];
      for (const bundle of bridge.bundles.values()) {
        if (bundle.mirrorOut === 0 && bundleIncludesVlan(bundle, one.outVlan, tags[1].vid)) send(bundle, moved);
      }
    }
  }
}

export function mirrorEgress(ctx: Context, port: OfPort, output: Output): void {
  const bundle = port.bundle;
  if (ctx.bridge.mirrors.length === 0 || bundle === undefined || bundle.dstMirrors === 0) return;
  const tags = tagsOf(ctx.flow);
  mirror(ctx, bundle.dstMirrors, inputTags(bundle, tags), output);
}

export function mirrorIngress(ctx: Context, output: Output): void {
  if (ctx.bridge.mirrors.length === 0) return;
  const bundle = inputBundle(ctx);
  if (bundle === undefined || bundle.srcMirrors === 0) return;
  const before = tagsOf(ctx.flow);
  if (bundle.mirrorOut !== 0) return;
  const probe = ctx.nodes.length;
  const valid = inputVlanValid(ctx, before[0].vid, bundle);
  // The reason is told where the packet is forwarded, not here.
  ctx.nodes.length = probe;
  if (!valid) return;
  mirror(ctx, bundle.srcMirrors, inputTags(bundle, before), output);
}

/** Which mirrors have had a packet already, when it goes from one bridge into another. Each bridge has mirrors of its own. */
export function hideMirrors(ctx: Context, from: Bridge, to: Bridge): number {
  return from === to ? ctx.mirrors : 0;
}
