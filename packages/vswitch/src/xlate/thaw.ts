/** Freezing a translation where it is, and going on from there. */

import type { Context } from "./context.ts";
import { emitController } from "./controller.ts";
import { type FrozenAction, type FrozenState, freezeMetadata } from "./freeze.ts";

export function frozenState(ctx: Context, table: number | undefined, actions: readonly FrozenAction[]): FrozenState {
  return {
    bridge: ctx.bridge,
    table,
    metadata: freezeMetadata(ctx.flow),
    stack: ctx.stack.slice(),
    mirrors: ctx.mirrors,
    conntracked: ctx.conntracked,
    actions,
    actionSet: ctx.actionSet,
  };
}

/** Emits a recirculation that goes on with `state`. */
export function recirculate(ctx: Context, state: FrozenState): number {
  const id = ctx.datapath.recirc.allocate(state);
  ctx.recircIds.push(id);
  ctx.odp.push({ type: "recirc", id });
  return id;
}

/** Ends a freeze at the place where the packet leaves: the rest of the pipeline becomes a recirculation or a continuation. */
export function forkRecirculation(ctx: Context): void {
  const { pause, freezeKind } = ctx;
  ctx.commit();
  // A trace of no packet in particular pauses nothing. It stays frozen, so that all that is around it ends in the same way.
  if (pause !== undefined && ctx.tracing && !ctx.sideEffects) return;
  const state = frozenState(ctx, undefined, ctx.frozenActions);
  ctx.frozenActions = [];
  ctx.freezing = false;
  ctx.freezeKind = undefined;
  ctx.pause = undefined;
  if (pause !== undefined) {
    emitController(ctx, pause, true, state);
    return;
  }
  if (freezeKind === "hash") ctx.odp.push({ type: "hash", algorithm: ctx.hashAlgorithm, basis: ctx.hashBasis });
  const id = recirculate(ctx, state);
  if (freezeKind === "mpls") {
    ctx.recircs.push({ id, kind: "mpls", flow: ctx.flow.slice(), zone: 0, nat: undefined });
  }
}
