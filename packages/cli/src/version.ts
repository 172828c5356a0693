import { ovnVersion } from "@weft/schemas";

/** What we say we are: the versions whose behaviour is reproduced, and our own. */
export const ovsVersion = "4.0.0";
export const weftVersion = "0.1.0";

export type Family = "ovs" | "ovn";

/** The first line of `PROGRAM --version`, also the reply of appctl's `version`. */
export function versionLine(program: string, family: Family): string {
  return family === "ovs" ? `${program} (Open vSwitch) ${ovsVersion}` : `${program} ${ovnVersion}`;
}

/** What `PROGRAM --version` prints. */
export function versionText(program: string, family: Family): string {
  const library = family === "ovn" ? `Open vSwitch Library ${ovsVersion}\n` : "";
  return `${versionLine(program, family)}\n${library}Weft ${weftVersion}\n`;
}
