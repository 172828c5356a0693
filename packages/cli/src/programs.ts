import type { Program } from "@weft/runtime";

/** Every program, by the name of the original that it stands in for. Loaded when it is run. */
export const programs: Readonly<Record<string, () => Promise<Program>>> = {
  "ovn-appctl": async () => (await import("./appctl.ts")).ovnAppctl,
  "ovs-appctl": async () => (await import("./appctl.ts")).ovsAppctl,
};
