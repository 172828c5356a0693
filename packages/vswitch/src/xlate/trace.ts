/**
 * The record of a translation, as ofproto/trace prints it. The translation reports nodes while it runs; whoever wants no trace
 * gives no recorder, and nothing is built.
 */
export type TraceKind = "bridge" | "table" | "thaw" | "bucket" | "action" | "detail" | "warning" | "error";

export interface TraceNode {
  readonly kind: TraceKind;
  readonly text: string;
  readonly children: TraceNode[];
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
