/** Continuations as `ovs-ofctl monitor` prints them. */
import { type ContinuedAction, decodeContinuation } from "../continuation/continuation.ts";
import { formatAction } from "../text/actions.ts";
import type { Names } from "../text/names.ts";
import { hex } from "../text/value.ts";

function formatContinued(action: ContinuedAction, names: Names): string {
  if (action.type === "unroll") return `unroll_xlate(table=${action.table}, cookie=${action.cookie})`;
  return formatAction(action, names);
}

/** Lines, each with its newline. Throws a DecodeError. */
export function formatContinuation(bytes: Uint8Array, version: number, names: Names): string {
  const c = decodeContinuation(bytes, version);
  const list = (actions: readonly ContinuedAction[]) => actions.map((action) => formatContinued(action, names)).join(",");
  const lines = [`bridge=${c.bridge}`];
  if (c.stack.length > 0) lines.push(`stack=(top) ${c.stack.map(({ value }) => hex(value)).join(" ")} (bottom)`);
  if (c.mirrors !== 0) lines.push(`mirrors=0x${c.mirrors.toString(16)}`);
  if (c.conntracked) lines.push("conntracked=true");
  if (c.actions.length > 0) lines.push(`actions=${list(c.actions)}`);
  if (c.actionSet.length > 0) lines.push(`action_set=${list(c.actionSet)}`);
  if (c.datapathPort !== undefined) lines.push(`odp_port=${c.datapathPort}`);
  return lines.map((line) => ` continuation.${line}\n`).join("");
}
