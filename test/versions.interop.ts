/** Clouds of several versions: our daemons among those of Debian's trixie (25.03, 3.5) and bookworm (23.03, 3.1). */
import { describe, it } from "vitest";
import { allWeft, linkPrograms, type Mix, type Side, schemasOf } from "./reference/cloud.ts";
import { type Circumstances, expectPackets } from "./reference/scenario.ts";

linkPrograms();

interface Row extends Circumstances {
  readonly name: string;
  readonly mix: Mix;
}

const all = (side: Side): Mix => ({ OVSDB_SERVER: side, NORTHD: side, CONTROLLER: side, VSWITCHD: side, tools: side });

const rows = (["trixie", "bookworm"] as const).flatMap((old): readonly Row[] => [
  { name: `${old}'s cloud on our ovsdb-server`, mix: { ...all(old), OVSDB_SERVER: "weft" }, schemas: old },
  { name: `${old}'s cloud on our ovs-vswitchd`, mix: { ...all(old), VSWITCHD: "weft" }, schemas: old },
  {
    name: `our ovn-controller and ovs-vswitchd in ${old}'s cloud`,
    mix: { ...all(old), CONTROLLER: "weft", VSWITCHD: "weft" },
    schemas: old,
  },
  {
    name: `our ovn-controller in ${old}'s cloud`,
    mix: { ...all(old), CONTROLLER: "weft" },
    schemas: old,
    // Tunnels from an address of their own, as OVN 26.03 makes them, want a route of the host for it: Open vSwitch 3.1
    // does not take those that ovs/route/add gives for one, and the reference's controller fails there as well.
    oneMachine: old === "bookworm",
  },
]);

const ours: Mix = { ...allWeft, OVSDB_SERVER: "reference", tools: "reference" };
const upgrades: readonly Row[] = [
  { name: "our cloud on a northbound database of bookworm", mix: ours, nbSchema: "bookworm" },
  {
    name: "our cloud on databases of bookworm that are converted before our ovn-northd's eyes",
    mix: ours,
    schemas: "bookworm",
    upgrade: `cloud_convert ${schemasOf("reference")}`,
  },
];

describe.each([...rows, ...upgrades])("$name", ({ mix, ...circumstances }) => {
  it("passes the packets", () => expectPackets(mix, circumstances));
});
