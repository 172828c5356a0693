/** ovn-controller with all ports of 19 tenants on its chassis: from start to hv_cfg, one more port bound, and restarts. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decode, emit, find, parseIpv4, parseMac, readCapture, toHex } from "@weft/packet";
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
  /** Packets of a stream that were lost over another restart. */
  readonly lost: number;
  /** From the interface to ovn-installed, ms. Most of it is the switch's. */
  readonly bind: number;
  /** From the number that the switch has given the interface, ms: the controller's part of it. */
  readonly flows: number;
  /** MB */
  readonly memory: number;
}

/** The guests between whom a stream flows. */
const SENDER = { name: "t0n0p0", mac: mac(0, 0, 0), ip: "10.0.0.10" };
const RECEIVER = { name: "t0n0p1", mac: mac(0, 0, 1), ip: "10.0.0.11" };

/** The operations that put guests' interfaces on the integration bridge. What the receiver gets goes to `capture`. */
function interfaces(names: readonly string[], capture: string): object[] {
  const options = (name: string) => ["map", name === RECEIVER.name ? [["tx_pcap", capture]] : []];
  return [
    ...names.flatMap((name, i) => [
      {
        op: "insert",
        table: "Interface",
        "uuid-name": `interface${i}`,
        row: { name, type: "dummy", options: options(name), external_ids: ["map", [["iface-id", name]]] },
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

/** Hears when the switch has given interfaces their numbers. */
class Numbers {
  readonly #client: Client;
  readonly #at = new Map<string, number>();

  private constructor(client: Client) {
    this.#client = client;
  }

  static async open(conf: string): Promise<Numbers> {
    const client = await Client.open(conf);
    const numbers = new Numbers(client);
    client.notified = (_method, params) => {
      const update = params[1] as { readonly Interface?: Readonly<Record<string, { new?: { name: string; ofport: unknown } }>> };
      for (const { new: row } of Object.values(update.Interface ?? {}))
        if (typeof row?.ofport === "number") numbers.#at.set(row.name, performance.now());
    };
    await client.call("monitor", ["Open_vSwitch", "numbers", { Interface: [{ columns: ["name", "ofport"] }] }]);
    return numbers;
  }

  since(name: string): number {
    return performance.now() - this.#at.get(name)!;
  }

  close(): void {
    this.#client.close();
  }
}

/** Sends packets, each of a flow that the switch does not know yet, as long as `work` takes; returns how many were lost. */
async function lostDuring(control: string, capture: string, work: () => Promise<unknown>): Promise<number> {
  const vswitch = await Client.open(control);
  let sent = 0;
  let going = true;
  const stream = (async () => {
    for (; going; await new Promise((resolve) => setTimeout(resolve, 5))) {
      const packet = emit([
        { kind: "ethernet", src: parseMac(SENDER.mac)!, dst: parseMac(RECEIVER.mac)! },
        { kind: "ipv4", src: parseIpv4(SENDER.ip)!, dst: parseIpv4(RECEIVER.ip)!, ttl: 64 },
        { kind: "udp", srcPort: 1024 + (sent++ % 60000), dstPort: 7 },
        { kind: "payload", bytes: new Uint8Array(18) },
      ]);
      await vswitch.call("netdev-dummy/receive", [SENDER.name, toHex(packet)]);
    }
  })();
  await work();
  going = false;
  await stream;
  await new Promise((resolve) => setTimeout(resolve, 1000));
  vswitch.close();
  const arrived = readCapture(readFileSync(capture)).filter(({ bytes }) => find(decode(bytes), "udp")?.dstPort === 7);
  return sent - arrived.length;
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
    const capture = join(site.dir, "receiver.pcap");
    await Client.transact(conf, "Open_vSwitch", interfaces(guests, capture));
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
    const numbers = await Numbers.open(conf);
    const binds: number[] = [];
    const flows: number[] = [];
    for (let i = 0; i < 21; i++) {
      await northbound.chassis(guestPort(`new${i}`, "t0n0", `${mac(2, i, 1)} 10.0.0.${150 + i}`));
      const from = performance.now();
      await local.call("transact", ["Open_vSwitch", ...interfaces([`new${i}`], capture)]);
      await installed(local, `new${i}`);
      binds.push(performance.now() - from);
      flows.push(numbers.since(`new${i}`));
    }
    await site.end("controller", "--restart");
    const restart = await started("again");
    const memory = Site.peakMemory(Number(readFileSync(join(site.dir, "again.pid"), "utf8")));
    const lost = await lostDuring(join(site.dir, "vswitchd.ctl"), capture, async () => {
      await site.end("again", "--restart");
      await started("once-more");
    });
    for (const client of [local, northbound, numbers]) client.close();
    return { start, restart, lost, bind: median(binds), flows: median(flows), memory };
  } finally {
    await site.close();
  }
}

export async function controller(): Promise<Result[]> {
  const weft = await measure("weft");
  const reference = await measure("reference");
  const what = `ovn-controller, ${TENANTS * 2 * PORTS} ports on one chassis`;
  return [
    { what: `${what}: start until hv_cfg is current`, unit: "s", weft: weft.start, reference: reference.start, goal: 1 },
    { what: `${what}: restart until hv_cfg is current`, unit: "s", weft: weft.restart, reference: reference.restart, goal: 1 },
    { what: `${what}: packets lost over a restart`, unit: "packets", weft: weft.lost, reference: reference.lost },
    {
      what: `${what}: one more port, to ovn-installed, with the switch's part`,
      unit: "ms",
      weft: weft.bind,
      reference: reference.bind,
      goal: 0.5,
    },
    {
      what: `${what}: the same from when the switch has made the port`,
      unit: "ms",
      weft: weft.flows,
      reference: reference.flows,
      goal: 0.5,
    },
    { what: `${what}: peak memory`, unit: "MB", weft: weft.memory, reference: reference.memory },
  ];
}
