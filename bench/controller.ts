/** ovn-controller with all ports of 19 tenants on its chassis: from start to hv_cfg, one more port bound, and a restart. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Client, Northbound } from "./client.ts";
import { median, type Side, Site, schemas } from "./daemons.ts";
import { guestPort, mac, tenants } from "./networks.ts";
import type { Result } from "./table.ts";

const TENANTS = 19;
const PORTS = 20;

interface Figures {
  /** From the start of the process until hv_cfg says that the chassis has everything, s. */
  readonly start: number;
  /** The same of a start beside the flows of the last one, s. */
  readonly restart: number;
  /** From the interface to ovn-installed, ms. */
  readonly bind: number;
  /** MB */
  readonly memory: number;
}

/** The operations that put guests' interfaces on the integration bridge. */
function interfaces(names: readonly string[]): object[] {
  return [
    ...names.flatMap((name, i) => [
      {
        op: "insert",
        table: "Interface",
        "uuid-name": `interface${i}`,
        row: { name, type: "dummy", external_ids: ["map", [["iface-id", name]]] },
      },
      { op: "insert", table: "Port", "uuid-name": `port${i}`, row: { name, interfaces: ["named-uuid", `interface${i}`] } },
    ]),
    {
      op: "mutate",
      table: "Bridge",
      where: [["name", "==", "br-int"]],
      mutations: [["ports", "insert", ["set", names.map((_, i) => ["named-uuid", `port${i}`])]]],
    },
  ];
}

/** Resolves when an interface has external_ids:ovn-installed. */
async function installed(local: Client, name: string): Promise<void> {
  const wait = {
    op: "wait",
    table: "Interface",
    where: [
      ["name", "==", name],
      ["external_ids", "includes", ["map", [["ovn-installed", "true"]]]],
    ],
    columns: ["name"],
    until: "==",
    rows: [{ name }],
    timeout: 60_000,
  };
  await local.call("transact", ["Open_vSwitch", wait]);
}

async function measure(side: Side): Promise<Figures> {
  const site = new Site();
  try {
    const nb = site.database("reference", "nb", join(schemas, "ovn/ovn-nb.ovsschema"));
    const sb = site.database("reference", "sb", join(schemas, "ovn/ovn-sb.ovsschema"));
    const conf = site.database("reference", "conf", join(schemas, "openvswitch/vswitch.ovsschema"));
    const vsctl = (...args: string[]) => site.run("reference", "ovs-vsctl", `--db=${conf}`, "--timeout=60", ...args);
    site.run("reference", "ovn-nbctl", `--db=${nb}`, "init");
    vsctl("--no-wait", "init");
    site.daemon("reference", "ovs-vswitchd", "vswitchd", "--enable-dummy=override", "--disable-system-route", conf);
    const ids = ["system-id=hv1", "hostname=hv1", `ovn-remote=${sb}`, "ovn-encap-type=geneve", "ovn-encap-ip=127.0.0.1"];
    vsctl(
      ..."add-br br-int -- set Bridge br-int fail-mode=secure datapath_type=dummy -- set Open_vSwitch .".split(" "),
      ...ids.map((id) => `external_ids:${id}`),
    );
    await Client.transact(nb, "OVN_Northbound", tenants(TENANTS, PORTS));
    const guests = Array.from({ length: TENANTS * 2 * PORTS }, (_, i) => {
      const tenant = Math.floor(i / (2 * PORTS));
      return `t${tenant}n${Math.floor(i / PORTS) % 2}p${i % PORTS}`;
    });
    await Client.transact(conf, "Open_vSwitch", interfaces(guests));
    site.daemon("reference", "ovn-northd", "northd", `--ovnnb-db=${nb}`, `--ovnsb-db=${sb}`);
    const northbound = await Northbound.open(nb);
    await northbound.change([]);
    const local = await Client.open(conf);

    const started = async (name: string): Promise<number> => {
      const from = performance.now();
      site.daemon(side, "ovn-controller", name, conf);
      await Promise.all([guests[0]!, guests.at(-1)!].map((guest) => installed(local, guest)));
      await northbound.chassis([]);
      return (performance.now() - from) / 1000;
    };
    const start = await started("controller");
    const samples: number[] = [];
    for (let i = 0; i < 21; i++) {
      await northbound.chassis(guestPort(`new${i}`, "t0n0", `${mac(2, i, 1)} 10.0.0.${150 + i}`));
      const from = performance.now();
      await local.call("transact", ["Open_vSwitch", ...interfaces([`new${i}`])]);
      await installed(local, `new${i}`);
      samples.push(performance.now() - from);
    }
    await site.end("controller", "--restart");
    const restart = await started("again");
    const memory = Site.peakMemory(Number(readFileSync(join(site.dir, "again.pid"), "utf8")));
    for (const client of [local, northbound]) client.close();
    return { start, restart, bind: median(samples), memory };
  } finally {
    site.close();
  }
}

export async function controller(): Promise<Result[]> {
  const weft = await measure("weft");
  const reference = await measure("reference");
  const what = `ovn-controller, ${TENANTS * 2 * PORTS} ports on one chassis`;
  return [
    { what: `${what}: start until hv_cfg is current`, unit: "s", weft: weft.start, reference: reference.start, goal: 1 },
    { what: `${what}: restart until hv_cfg is current`, unit: "s", weft: weft.restart, reference: reference.restart, goal: 1 },
    { what: `${what}: one more port, to ovn-installed`, unit: "ms", weft: weft.bind, reference: reference.bind, goal: 0.5 },
    { what: `${what}: peak memory`, unit: "MB", weft: weft.memory, reference: reference.memory },
  ];
}
