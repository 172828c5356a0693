/** The text of ofproto/trace without what no two switches have in common. */

/** Numbers of recirculations are given out one after another, by every switch for itself. */
const RECIRCULATION = /\b(recirc(?:_id)?[(=])(?:0x[0-9a-f]+|[1-9]\d*)/g;

/** The flows whose clauses make a conjunctive match are told in an order that differs between packets of one and the same table. */
const CLAUSES = /(?:^ *-> conj\. .*\n)+/gm;

export function traced(text: string): string {
  return text
    .replace(RECIRCULATION, "$1ID")
    .replace(CLAUSES, (clauses) => clauses.trimEnd().split("\n").sort().join("\n") + "\n")
    .trimEnd();
}

/** What becomes of the packet: the datapath actions of every part of a trace. */
export function datapathActions(text: string): string[] {
  return [...text.matchAll(/^Datapath actions: (.*)$/gm)].map(([, actions]) => actions!);
}
