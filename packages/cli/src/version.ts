import { ovnVersion } from "@weft/schemas";

/** What we say we are: the versions whose behaviour is reproduced, and our own. */
export const ovsVersion = "4.0.0";
/** The library that the programs of OVN say they are built with. */
const libraryVersion = "3.7.1";
export const weftVersion = "0.1.0";

export type Family = "ovs" | "ovn";

/** The first line of `PROGRAM --version`. */
export function versionLine(program: string, family: Family): string {
  return family === "ovs" ? `${program} (Open vSwitch) ${ovsVersion}` : `${program} ${ovnVersion}`;
}

/** What appctl's `version` replies. */
export function versionReply(program: string, family: Family): string {
  return `${versionLine(program, family)}${family === "ovn" ? `\nOpen vSwitch Library ${libraryVersion}` : ""}`;
}

/** What `PROGRAM --version` prints. */
export function versionText(program: string, family: Family): string {
  return `${versionReply(program, family)}\nWeft ${weftVersion}\n`;
}
