/** What ofproto/trace says at the end of each of its parts, without the numbers that every switch gives out for itself. */
export interface Traced {
  readonly final: readonly string[];
  readonly megaflows: readonly string[];
  readonly actions: readonly string[];
}

export function traced(text: string): Traced {
  const lines = (head: string) =>
    text
      .split("\n")
      .filter((line) => line.startsWith(head))
      .map((line) =>
        line.slice(head.length).replace(/\b(recirc(?:_id)?[(=])0x[0-9a-f]+|\b(recirc(?:_id)?[(=])[1-9]\d*/g, "$1$2ID"),
      );
  // Which of a tunnel's fields are shown depends on what a flow's text could say about it.
  const inner = lines("Final flow: ").map((flow) => flow.replace(/(?:tun|gtpu)_\w+=[^,]*,/g, ""));
  return { final: inner, megaflows: lines("Megaflow: "), actions: lines("Datapath actions: ").map(withoutIdleSets) };
}

/** What is set or taken away behind the last output does nothing; whether it is written is open. */
function withoutIdleSets(actions: string): string {
  let text = actions;
  for (let last = lastAction(text); /^(?:set\(|pop_vlan$)/.test(text.slice(last)); last = lastAction(text))
    text = text.slice(0, Math.max(0, last - 1));
  return text === "" ? "drop" : text;
}

/** Where the last of some actions starts. */
function lastAction(actions: string): number {
  let depth = 0;
  for (let at = actions.length - 1; at >= 0; at--) {
    const letter = actions[at];
    if (letter === ")") depth++;
    else if (letter === "(") depth--;
    else if (letter === "," && depth === 0) return at + 1;
  }
  return 0;
}
