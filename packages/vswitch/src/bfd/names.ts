/** States and diagnostics of RFC 5880 section 4.1, as Open vSwitch names them. */
export const stateNames = ["admin_down", "down", "init", "up"] as const;

const diagnosticNames = [
  "No Diagnostic",
  "Control Detection Time Expired",
  "Echo Function Failed",
  "Neighbor Signaled Session Down",
  "Forwarding Plane Reset",
  "Path Down",
  "Concatenated Path Down",
  "Administratively Down",
  "Reverse Concatenated Path Down",
] as const;

export function diagnosticName(diagnostic: number): string {
  return diagnosticNames[diagnostic] ?? "unknown";
}

/** The bits of a control packet's flags, the highest first. */
const flagNames = [
  [32, "poll"],
  [16, "final"],
  [8, "ctl"],
  [4, "auth"],
  [2, "demand"],
  [1, "multipoint"],
] as const;

export function flagsName(flags: number): string {
  const names = flagNames.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name);
  return names.length === 0 ? "none" : names.join(" ");
}
