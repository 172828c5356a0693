/** Flags of Node's engine for programs that its defaults do not serve well. */
const flags: Readonly<Record<string, readonly string[]>> = {
  // They build up what they then keep: the larger the space for new objects, the fewer of these are copied before they last.
  "ovn-northd": ["--max-semi-space-size=32"],
  "ovn-controller": ["--max-semi-space-size=32"],
  // A pipeline's nested resubmits are nested calls: the switch wants a deep stack (of the 8 MB that there are).
  "ovs-vswitchd": ["--stack-size=3900"],
};

export function engineFlags(program: string): readonly string[] {
  return flags[program] ?? [];
}
