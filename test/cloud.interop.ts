/**
 * A whole cloud of daemons as processes, started by reference/cloud.sh: packets between hypervisors, with every daemon
 * ours and with none of them.
 */
import { describe, it } from "vitest";
import { allWeft, linkPrograms, type Mix, type Side } from "./reference/cloud.ts";
import { expectPackets } from "./reference/scenario.ts";

linkPrograms();

const daemons = ["OVSDB_SERVER", "NORTHD", "CONTROLLER", "VSWITCHD"] as const;

/** Every combination of our daemons and the reference's, under the reference's tools; and ours all through. */
const mixes: readonly (readonly [string, Mix])[] = [
  ...Array.from({ length: 16 }, (_, bits): readonly [string, Mix] => {
    const who = daemons.map((_, i) => ((bits >> i) & 1 ? "weft" : "reference"));
    const [OVSDB_SERVER, NORTHD, CONTROLLER, VSWITCHD] = who as [Side, Side, Side, Side]; // one for each daemon
    const ours = daemons.filter((_, i) => who[i] === "weft").map((name) => name.toLowerCase().replace("_", "-"));
    return [`${ours.join(", ") || "none"} ours`, { OVSDB_SERVER, NORTHD, CONTROLLER, VSWITCHD, tools: "reference" }];
  }),
  ["all daemons and the tools ours", allWeft],
];

describe.each(mixes.map(([name, mix]) => ({ name, mix })))("a cloud of processes, $name", ({ mix }) => {
  it("switches, routes, tags, answers ARP and ping, filters by port security and by an ACL added meanwhile", () => {
    expectPackets(mix);
  });
});
