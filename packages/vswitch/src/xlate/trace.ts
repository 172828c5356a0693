/**
 * The record of a translation, as ofproto/trace prints it. The translation reports nodes while it runs; whoever wants no trace
 * gives no recorder, and nothing is built.
 */
import type { Rule } from "../ofproto/rule.ts";

export type TraceKind = "bridge" | "table" | "thaw" | "bucket" | "action" | "detail" | "warning" | "error";

export interface TraceNode {
  readonly kind: TraceKind;
  readonly text: string;
  readonly children: TraceNode[];
  /** Of a lookup in a table. */
  readonly lookup?: TraceLookup;
}

export interface TraceLookup {
  readonly bridge: string;
  readonly table: number;
  /** Undefined: none matched, and the table's own rule for that was used. */
  readonly rule: Rule | undefined;
  /** The packet's key as the table saw it, in_port as OpenFlow port. */
  readonly key: Int32Array;
}

/** Kinds that are indented even as the last of their siblings. */
const LEAF: ReadonlySet<TraceKind> = new Set(["action", "bucket", "detail", "warning", "error"]);

function line(node: TraceNode): string {
  switch (node.kind) {
    case "detail":
      return ` -> ${node.text}`;
    case "warning":
      return ` >> ${node.text}`;
    case "error":
      return ` >>>> ${node.text} <<<<`;
    default:
      return node.text;
  }
}

/**
 * The tree as text. What is the last of its siblings does not deepen the indentation, so that a chain of resubmits and gotos
 * reads as a straight column.
 */
export function formatTrace(nodes: readonly TraceNode[], level = 0): string {
  let text = "";
  nodes.forEach((node, i) => {
    const more = i < nodes.length - 1 || LEAF.has(node.kind) ? 1 : 0;
    const indent = " ".repeat((level + more) * 4);
    if (node.kind === "bridge") text += `\n${indent}${node.text}\n${indent}${"-".repeat(node.text.length)}\n`;
    else text += `${indent}${line(node)}\n`;
    text += formatTrace(node.children, level + 2 * more);
  });
  return text;
}
