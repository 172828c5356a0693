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
  let within = level;
  // what is within the last node goes on here, for a packet's way can be longer than a stack is deep
  for (let list: readonly TraceNode[] = nodes; list.length > 0; ) {
    const shown = list.filter(({ kind }) => kind !== "modify");
    list = [];
    for (const [i, node] of shown.entries()) {
      if (node.kind === "action" || node.kind === "error" || node.kind === "output") {
        lines.push(`${INDENT.repeat(within + 1)}${node.text}`);
        continue;
      }
      const last = i === shown.length - 1;
      const deeper = node.indented || !last ? 1 : 0;
      const indent = INDENT.repeat(within + deeper);
      if (node.kind !== "table") lines.push("", `${indent}${node.text}`, `${indent}${"-".repeat(node.text.length)}`);
      else lines.push(`${indent}${node.text}`);
      if (!last) detailed(node.children, within + 2 * deeper, lines);
      else {
        list = node.children;
        within += 2 * deeper;
      }
    }
  }
}

type How = (kind: NodeKind) => "yes" | "no" | "within";

/** Actions only, nested in braces. */
export function formatSummary(nodes: readonly TraceNode[]): string {
  return braces(nodes, (kind) => (kind === "table" ? "within" : kind === "modify" ? "no" : "yes"));
}

/** What changes packets, and where they are delivered. */
export function formatMinimal(nodes: readonly TraceNode[]): string {
  return braces(nodes, (kind) =>
    kind === "table" || kind === "pipeline" ? "within" : kind === "action" || kind === "output" ? "no" : "yes",
  );
}

function braces(nodes: readonly TraceNode[], show: How): string {
  const lines: string[] = [];
  // lists that are not at their end, the innermost last; `opened` is the line of the node that the list is within
  const open: { readonly list: readonly TraceNode[]; next: number; readonly level: number; readonly opened?: number }[] = [
    { list: nodes, next: 0, level: 0 },
  ];
  for (let at = open.at(-1); at !== undefined; at = open.at(-1)) {
    const node = at.list[at.next++];
    const indent = INDENT.repeat(at.level);
    if (node === undefined) {
      open.pop();
      if (at.opened !== undefined) close(lines, at.opened, INDENT.repeat(at.level - 1));
      continue;
    }
    const how = show(node.kind);
    if (how === "within") open.push({ list: node.children, next: 0, level: at.level });
    // jumps show in where the packet goes on
    if (how !== "yes" || (node.kind === "action" && node.text.startsWith("next("))) continue;
    lines.push(`${indent}${node.text}`);
    if (node.kind !== "action") open.push({ list: node.children, next: 0, level: at.level + 1, opened: lines.length - 1 });
  }
  return lines.map((line) => `${line}\n`).join("");
}

/** Ends a node: with braces if there is anything within it. */
function close(lines: string[], opened: number, indent: string): void {
  const empty = opened === lines.length - 1;
  lines[opened] += empty ? ";" : " {";
  if (!empty) lines.push(`${indent}};`);
}
