import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { makeCa, makeCertificate, pki } from "./pki.ts";
import { type Kind, reference, Servers, until } from "./servers.ts";

const share = join(reference, "share");
const started: Servers[] = [];
afterEach(async () => {
  for (const servers of started.splice(0)) await servers.stop();
});

/**
 * A southbound database as ovn-northd(8) fills it, with a remote for the role ovn-controller (ovn-sb(5), "Connection"):
 * certificates for the chassis hv1 and hv2.
 */
async function southbound(kind: Kind): Promise<{ readonly servers: Servers; readonly remote: string }> {
  const servers = new Servers();
  started.push(servers);
  makeCa(servers.dir, "ca");
  for (const name of ["server", "hv1", "hv2"]) makeCertificate(servers.dir, "ca", name);
  await servers.create("nb", join(share, "ovn/ovn-nb.ovsschema"));
  await servers.create("sb", join(share, "ovn/ovn-sb.ovsschema"));
  await servers.start(kind, "nb", ["nb.db"]);
  await servers.start(kind, "sb", [
    "sb.db",
    "--remote=db:OVN_Southbound,SB_Global,connections",
    ...pki(servers.dir, "server", "ca"),
  ]);
  await servers.daemon("reference", "ovn-northd", "northd", [
    `--ovnnb-db=${servers.socket("nb")}`,
    `--ovnsb-db=${servers.socket("sb")}`,
  ]);
  await servers.run("ovn-nbctl", [
    `--db=${servers.socket("nb")}`,
    "--wait=sb",
    "ls-add",
    "s",
    "--",
    "lsp-add",
    "s",
    "p1",
    "--",
    "lsp-add",
    "s",
    "p2",
  ]);
  await servers.run("ovn-sbctl", [`--db=${servers.socket("sb")}`, "set-connection", "role=ovn-controller", "pssl:0:127.0.0.1"]);
  await until(() => /listening on port \d+/.test(servers.log("sb")));
  const port = /listening on port (\d+)/.exec(servers.log("sb"))?.[1];
  return { servers, remote: `ssl:127.0.0.1:${port}` };
}

const UUID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
const insert = (table: string, row: object) => ({ op: "insert", table, row });
const chassis = (name: string) => [
  { op: "insert", table: "Encap", row: { type: "geneve", ip: `10.0.1.${name.at(-1)}`, chassis_name: name }, "uuid-name": "e" },
  { op: "insert", table: "Chassis", row: { name, encaps: ["named-uuid", "e"] } },
];
const named = (name: string) => [["name", "==", name]];

/** Who asks, and for what: the operations of a transaction. */
const REQUESTS: readonly (readonly [string, ...object[]])[] = [
  ["hv1", ...chassis("hv1")],
  ["hv2", ...chassis("hv2")],
  ["hv1", { op: "update", table: "Chassis", where: named("hv1"), row: { hostname: "h" } }],
  ["hv1", { op: "update", table: "Chassis", where: named("hv2"), row: { hostname: "h" } }],
  ["hv1", { op: "update", table: "Chassis", where: named("hv1"), row: { name: "other" } }],
  [
    "hv1",
    { op: "mutate", table: "Chassis", where: named("hv1"), mutations: [["other_config", "insert", ["map", [["a", "b"]]]]] },
  ],
  [
    "hv1",
    { op: "mutate", table: "Chassis", where: named("hv2"), mutations: [["other_config", "insert", ["map", [["a", "b"]]]]] },
  ],
  ["hv1", { op: "delete", table: "Chassis", where: named("hv2") }],
  ["hv1", { op: "delete", table: "Chassis", where: named("nobody") }],
  ["hv1", { op: "update", table: "Chassis", where: [], row: { hostname: "h" } }],
  ["hv1", { op: "select", table: "Chassis", where: [], columns: ["hostname"] }],
  ["hv1", insert("SB_Global", {})],
  ["hv1", { op: "update", table: "SB_Global", where: [], row: { nb_cfg: 3 } }],
  ["hv1", { op: "delete", table: "Datapath_Binding", where: [] }],
  ["hv1", { op: "mutate", table: "Datapath_Binding", where: [], mutations: [["tunnel_key", "+=", 1]] }],
  ["hv1", { op: "update", table: "Port_Binding", where: [["logical_port", "==", "p1"]], row: { up: true } }],
  ["hv1", { op: "update", table: "Port_Binding", where: [["logical_port", "==", "p1"]], row: { tunnel_key: 7 } }],
  ["hv1", { op: "update", table: "Port_Binding", where: [["logical_port", "==", "p1"]], row: { up: true, tag: 3 } }],
  ["hv1", insert("Encap", { type: "geneve", ip: "10.0.0.9", chassis_name: "hv2" })],
  ["hv1", { op: "update", table: "Encap", where: [["chassis_name", "==", "hv1"]], row: { ip: "10.0.0.7" } }],
  ["hv1", { op: "update", table: "Encap", where: [["chassis_name", "==", "hv2"]], row: { ip: "10.0.0.8" } }],
  ["hv1", { op: "delete", table: "Encap", where: [["chassis_name", "==", "hv2"]] }],
  ["hv1", insert("Chassis_Private", { name: "hv1" })],
  ["hv2", { op: "update", table: "Chassis_Private", where: named("hv1"), row: { nb_cfg: 5 } }],
  ["hv1", { op: "update", table: "Chassis_Private", where: named("hv1"), row: { nb_cfg: 5 } }],
  ["hv1", insert("MAC_Binding", { logical_port: "p1", ip: "1.1.1.1", mac: "x" })],
  ["hv1", insert("Nope", {})],
  [
    "hv1",
    { op: "comment", comment: "x" },
    { op: "update", table: "Chassis", where: named("hv2"), row: { hostname: "z" } },
    insert("SB_Global", {}),
  ],
  ["hv2", { op: "delete", table: "Chassis", where: named("hv1") }],
  ["hv1", { op: "delete", table: "Chassis", where: named("hv1") }],
  ["hv1", { op: "select", table: "Chassis", where: [], columns: ["name", "hostname", "other_config"] }],
];

async function answers(kind: Kind): Promise<string[]> {
  const { servers, remote } = await southbound(kind);
  const told: string[] = [];
  for (const [who, ...operations] of REQUESTS) {
    const text = JSON.stringify(["OVN_Southbound", ...operations]);
    const { out, err } = await servers.run("ovsdb-client", [
      "-t",
      "10",
      ...pki(servers.dir, who, "ca"),
      "transact",
      remote,
      text,
    ]);
    told.push(`${who} ${JSON.stringify(operations)}: ${`${out}${err}`.replace(UUID, "UUID")}`);
  }
  return told;
}

test("what the role ovn-controller may and may not do is answered as the reference does", async () => {
  const [theirs, ours] = await Promise.all([answers("reference"), answers("weft")]);
  expect(ours).toEqual(theirs);
  expect(theirs.filter((text) => text.includes("permission error")).length).toBeGreaterThan(8);
});

test.each([
  ["weft", "reference"],
  ["reference", "weft"],
  ["weft", "weft"],
] as const)("southbound %s, controller %s: a chassis with its role claims a port", async (server, controller) => {
  const { servers, remote } = await southbound(server);
  await servers.create("db", join(share, "openvswitch/vswitch.ovsschema"));
  await servers.start("reference", "db", ["db.db"]);
  const vsctl = (...args: string[]) => servers.run("ovs-vsctl", [`--db=${servers.socket("db")}`, "--no-wait", ...args]);
  const ids = { "system-id": "hv1", "ovn-remote": `"${remote}"`, "ovn-encap-type": "geneve", "ovn-encap-ip": "127.0.0.1" };
  await vsctl("set", "Open_vSwitch", ".", ...Object.entries(ids).map(([key, value]) => `external_ids:${key}=${value}`));
  // The certificates are named in the local database, not on the command line.
  const [key, certificate, ca] = pki(servers.dir, "hv1", "ca").map((option) => option.replace(/^[^=]*=/, ""));
  await vsctl("set-ssl", key!, certificate!, ca!);
  await servers.daemon("reference", "ovs-vswitchd", "vswitchd", ["--enable-dummy=system", servers.socket("db")]);
  await servers.daemon(controller, "ovn-controller", "controller", [servers.socket("db")]);
  const sbctl = async (...args: string[]) =>
    (await servers.run("ovn-sbctl", [`--db=${servers.socket("sb")}`, "--bare", ...args])).out.trim();
  await until(async () => (await sbctl("--columns=name", "find", "Chassis")) === "hv1");
  expect(await sbctl("--columns=name", "find", "Chassis")).toBe("hv1");
  await vsctl("add-port", "br-int", "v1", "--", "set", "Interface", "v1", "type=dummy", "external_ids:iface-id=p1");
  const up = () => sbctl("--columns=up", "find", "Port_Binding", "logical_port=p1");
  await until(async () => (await up()) === "true");
  expect(await up()).toBe("true");
  expect(servers.log("controller")).not.toContain("permission error");
});
