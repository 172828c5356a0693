import { setFlagsFromString } from "node:v8";

/** Flags of Node's engine for programs that its defaults do not serve well. */
const flags: Readonly<Record<string, readonly string[]>> = {
  // They build up what they then keep: the larger the space for new objects, the fewer of these are copied before they last.
  "ovn-northd": ["--max-semi-space-size=32", ...later()],
  "ovn-controller": ["--max-semi-space-size=32", ...later()],
  // It makes much garbage and keeps little of it, in strings: a small heap that is looked through often costs it little.
  "ovsdb-server": ["--max-semi-space-size=4", "--heap-growing-percent=20"],
  // A pipeline's nested resubmits are nested calls: the switch wants a deep stack (of the 8 MB that there are).
  "ovs-vswitchd": ["--stack-size=3900"],
};

/**
 * Node 20 optimises a function early; in a first build most of that is not earned back (a quarter of its processor time).
 * Later versions have a cheaper compiler in between, and no such flag.
 */
function later(): readonly string[] {
  return process.versions.node.startsWith("20.") ? ["--interrupt-budget=300000"] : [];
}

export function engineFlags(program: string): readonly string[] {
  return flags[program] ?? [];
}

/** For a daemon that has built up what it keeps: from now on functions are optimised as early as Node does by itself. */
export function optimiseAsUsual(): void {
  if (later().length > 0) setFlagsFromString("--interrupt-budget=67584");
}
