/** Clouds of several versions: our daemons among those of Debian's trixie (25.03, 3.5) and bookworm (23.03, 3.1). */
import { describe, it } from "vitest";
import { linkPrograms, type Mix, type Side } from "./reference/cloud.ts";
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

describe.each(rows)("$name", ({ mix, ...circumstances }) => {
  it("passes the packets", () => expectPackets(mix, circumstances));
});
