/** What a trace found, as a tree, and the three ways in which ovn-trace(8) prints it. */

export type NodeKind =
  /** A pass through a pipeline of a datapath. */
  | "pipeline"
  /** A logical flow that matched, or that none did. */
  | "table"
  /** An action as the flow has it, or a remark about what it found. */
  | "action"
  /** What the action changed, reduced to constants. */
  | "modify"
  /** A changed packet or connection state that the nodes within see. */
  | "transformation"
  | "error"
  /** A remark on delivery. */
  | "output";

export interface TraceNode {
  readonly kind: NodeKind;
  readonly text: string;
  /** In detailed output, indented even as the last of its siblings. */
  readonly indented: boolean;
  readonly children: TraceNode[];
}

export function append(list: TraceNode[], kind: NodeKind, text: string, indented = false): TraceNode {
  const node: TraceNode = { kind, text, indented, children: [] };
  list.push(node);
  return node;
}

const INDENT = "    ";

/** Table by table; what comes last in a flow is not indented, so that long chains stay readable. */
export function formatDetailed(nodes: readonly TraceNode[]): string {
  const lines: string[] = [];
  detailed(nodes, 0, lines);
  return lines.map((line) => `${line}\n`).join("");
}

function detailed(nodes: readonly TraceNode[], level: number, lines: string[]): void {
  const shown = nodes.filter(({ kind }) => kind !== "modify");
  for (const [i, node] of shown.entries()) {
    if (node.kind === "action" || node.kind === "error" || node.kind === "output") {
      lines.push(`${INDENT.repeat(level + 1)}${node.text}`);
      continue;
    }
    const deeper = node.indented || i < shown.length - 1 ? 1 : 0;
    const indent = INDENT.repeat(level + deeper);
    if (node.kind !== "table") lines.push("", `${indent}${node.text}`, `${indent}${"-".repeat(node.text.length)}`);
    else lines.push(`${indent}${node.text}`);
    detailed(node.children, level + 2 * deeper, lines);
  }
}

/** Actions only, nested in braces. */
export function formatSummary(nodes: readonly TraceNode[]): string {
  const lines: string[] = [];
  braces(nodes, 0, lines, (kind) => (kind === "table" ? "within" : kind === "modify" ? "no" : "yes"));
  return lines.map((line) => `${line}\n`).join("");
}

/** What changes packets, and where they are delivered. */
export function formatMinimal(nodes: readonly TraceNode[]): string {
  const lines: string[] = [];
  braces(nodes, 0, lines, (kind) =>
    kind === "table" || kind === "pipeline" ? "within" : kind === "action" || kind === "output" ? "no" : "yes",
  );
  return lines.map((line) => `${line}\n`).join("");
}

function braces(
  nodes: readonly TraceNode[],
  level: number,
  lines: string[],
  show: (kind: NodeKind) => "yes" | "no" | "within",
): void {
  for (const node of nodes) {
    const how = show(node.kind);
    if (how === "within") braces(node.children, level, lines, show);
    if (how !== "yes") continue;
    const indent = INDENT.repeat(level);
    if (node.kind === "action") {
      // jumps show in where the packet goes on
      if (node.text.startsWith("next(")) continue;
      lines.push(`${indent}${node.text}`);
      continue;
    }
    const inner: string[] = [];
    braces(node.children, level + 1, inner, show);
    if (inner.length === 0) lines.push(`${indent}${node.text};`);
    else lines.push(`${indent}${node.text} {`, ...inner, `${indent}};`);
  }
}
