import { parseIpv4, parseIpv6 } from "@weft/packet";
import type { NbRow } from "@weft/schemas";
import { fail } from "../error.ts";
import { compareNames, type NbCall, type NbCommand, named, needRouter, needSwitch, type Router, type Switch } from "./common.ts";
import { normaliseAddress } from "./routes.ts";

const GROUP = "LB commands";
type LoadBalancer = NbRow<"Load_Balancer">;

function find(call: NbCall, name: string): LoadBalancer | undefined {
  return named(call.db.rows("Load_Balancer"), name, `Multiple load balancers named '${name}'.  Use a UUID.`);
}

function need(call: NbCall, name: string): LoadBalancer {
  return find(call, name) ?? fail(`${name}: load balancer name not found`);
}

interface Endpoint {
  readonly address: string;
  /** 0 where none was given. */
  readonly port: number;
}

/** An address with or without a port: `10.0.0.1:80`, `[fd00::1]:80`, `fd00::1`. Says in the log what is wrong with it. */
function endpoint(call: NbCall, text: string): Endpoint | undefined {
  const plain = normaliseAddress(text);
  if (plain !== undefined) return { address: plain, port: 0 };
  const found = /^\[([^\]]*)\](?::(.*))?$/s.exec(text) ?? /^([^:]*)(?::(.*))?$/s.exec(text);
  const [host = "", port] = [found?.[1], found?.[2]];
  if (parseIpv4(host) === undefined && parseIpv6(host) === undefined) {
    call.error("socket_util", `${text}: bad IP address "${host}"`);
    return undefined;
  }
  if (port !== undefined && (!/^[0-9]+$/.test(port) || Number(port) > 65535)) {
    call.error("socket_util", `${text}: bad port number "${port}"`);
    return undefined;
  }
  return { address: normaliseAddress(host) ?? host, port: Number(port ?? 0) };
}

function spell({ address, port }: Endpoint): string {
  if (port === 0) return address;
  return `${address.includes(":") ? `[${address}]` : address}:${port}`;
}

function checkBackends(call: NbCall, vip: Endpoint, text: string): string {
  if (text === "") return "";
  const backends = text.split(",").map((word) => {
    const withPort = vip.port !== 0;
    const backend = endpoint(call, word);
    if (backend === undefined || (backend.port !== 0) !== withPort) {
      return fail(
        withPort
          ? `${word}: should be an IP address and a port number with : as a separator.`
          : `${word}: should be an IP address.`,
      );
    }
    if (backend.address.includes(":") !== vip.address.includes(":")) {
      fail(`${word}: IP address family is different from VIP ${vip.address}.`);
    }
    return spell(backend);
  });
  return backends.join(",");
}

function add(call: NbCall): void {
  const [name, vipText, backendText, protocol, family] = [call.arg(0), call.arg(1), call.arg(2), call.args[3], call.args[4]];
  if (call.has("reject") && call.has("event")) fail("--reject and --event can't specified at the same time");
  const template = call.has("template");
  if (protocol !== undefined && protocol !== "tcp" && protocol !== "udp" && protocol !== "sctp") {
    return fail(`${protocol}: protocol must be one of "tcp", "udp",  or "sctp".`);
  }
  let [vip, backends] = [vipText, backendText];
  if (!template) {
    const parsed =
      endpoint(call, vipText) ??
      fail(`${vipText}: should be an IP address (or an IP address and a port number with : as a separator).`);
    if (parsed.port === 0 && protocol !== undefined) fail("Protocol is unnecessary when no port of vip is given.");
    backends = checkBackends(call, parsed, backendText);
    vip = spell(parsed);
  }
  const there = call.has("add-duplicate") ? [] : [...call.db.rows("Load_Balancer")].filter((row) => row.name === name);
  for (const row of there) {
    if (row.vips.has(vip) && !call.has("may-exist")) fail(`${name}: a load balancer with this vip (${vip}) already exists`);
    call.db.mutate("Load_Balancer", row._uuid, "vips", { insert: [[vip, backends]] });
    if (protocol !== undefined) call.db.update("Load_Balancer", row._uuid, { protocol });
  }
  if (there.length > 0) return;
  const options = [
    ...(["reject", "event", "template"] as const).flatMap((option) => (call.has(option) ? [[option, "true"] as const] : [])),
    ...(call.has("add-route") ? [["add_route", "true"] as const] : []),
    ...(template && family !== undefined ? [["address-family", family] as const] : []),
  ];
  call.db.insert("Load_Balancer", {
    name,
    vips: [[vip, backends]],
    options,
    protocol: protocol ?? "tcp",
  });
}

function hasVipPort(vip: string): boolean {
  return vip.startsWith("^") || /^\[.*\]:|^[^:]*:[^:]*$/.test(vip);
}

function print(call: NbCall, rows: readonly LoadBalancer[]): void {
  if (rows.length === 0) return;
  const width = Math.max(...rows.flatMap(({ vips }) => [...vips.keys()].map(({ length }) => length)), 0) + 4;
  call.print(`${"UUID".padEnd(40)}${"LB".padEnd(20)}${"PROTO".padEnd(11)}${"VIP".padEnd(width)}IPs\n`);
  for (const row of [...rows].sort((a, b) => compareNames(a.name, b.name))) {
    let [uuid, name]: [string, string] = [row._uuid, row.name];
    for (const [vip, ips] of row.vips) {
      const protocol = hasVipPort(vip) ? (row.protocol ?? "tcp") : "";
      call.print(`${uuid.padEnd(40)}${name.padEnd(20)}${protocol.padEnd(11)}${vip.padEnd(width)}${ips}\n`);
      [uuid, name] = ["", ""];
    }
  }
}

interface Holder {
  readonly prefix: "lr" | "ls";
  readonly table: "Logical_Router" | "Logical_Switch";
  readonly noun: "router" | "switch";
  need(call: NbCall, name: string): Router | Switch;
}

const holders: readonly Holder[] = [
  { prefix: "lr", table: "Logical_Router", noun: "router", need: needRouter },
  { prefix: "ls", table: "Logical_Switch", noun: "switch", need: needSwitch },
];

function holderCommands({ prefix, table, noun, need: needHolder }: Holder): NbCommand[] {
  const tables = [table, "Load_Balancer"] as const;
  const usage = noun.toUpperCase();
  return [
    {
      name: `${prefix}-lb-add`,
      usage: `${usage} LB`,
      min: 2,
      max: 2,
      options: "--may-exist",
      tables,
      group: GROUP,
      help: `add a load balancer to a ${noun}`,
      run(call) {
        const holder = needHolder(call, call.arg(0));
        const lb = need(call, call.arg(1));
        if (holder.load_balancer.includes(lb._uuid)) {
          if (call.has("may-exist")) return;
          fail(`${lb._uuid} : a load balancer with this UUID already exists`);
        }
        call.db.mutate(table, holder._uuid, "load_balancer", { insert: [lb._uuid] });
      },
    },
    {
      name: `${prefix}-lb-del`,
      usage: `${usage} [LB]`,
      min: 1,
      max: 2,
      options: "--if-exists",
      tables,
      group: GROUP,
      help: `remove load balancers from a ${noun}`,
      run(call) {
        const holder = needHolder(call, call.arg(0));
        const name = call.args[1];
        if (name === undefined) {
          call.db.update(table, holder._uuid, { load_balancer: [] });
          return;
        }
        const lb = need(call, name);
        if (holder.load_balancer.includes(lb._uuid)) call.db.mutate(table, holder._uuid, "load_balancer", { delete: [lb._uuid] });
        else if (!call.has("if-exists")) fail(`load balancer ${name} is not part of any logical ${noun}.`);
      },
    },
    {
      name: `${prefix}-lb-list`,
      usage,
      min: 1,
      max: 1,
      tables,
      group: GROUP,
      help: `print the load balancers of a ${noun}`,
      run(call) {
        const rows = needHolder(call, call.arg(0)).load_balancer.map((uuid) => call.db.row("Load_Balancer", uuid));
        print(
          call,
          rows.filter((row) => row !== undefined),
        );
      },
    },
  ];
}

export const loadBalancerCommands: readonly NbCommand[] = [
  {
    name: "lb-add",
    usage: "LB VIP[:PORT] IP[:PORT]... [PROTOCOL] [ADDRESS_FAMILY]",
    min: 3,
    max: 5,
    options: "--may-exist --add-duplicate --reject --event --add-route --template",
    tables: ["Load_Balancer"],
    group: GROUP,
    help: "create a load balancer, or add a VIP to one",
    run: add,
  },
  {
    name: "lb-del",
    usage: "LB [VIP]",
    min: 1,
    max: 2,
    options: "--if-exists",
    tables: ["Load_Balancer"],
    group: GROUP,
    help: "delete a load balancer, or one of its VIPs",
    run(call) {
      const lb = find(call, call.arg(0));
      const text = call.args[1];
      if (lb === undefined) return;
      if (text === undefined) {
        call.db.delete("Load_Balancer", lb._uuid);
        return;
      }
      const parsed = text.startsWith("^") ? undefined : endpoint(call, text);
      const vip = parsed === undefined ? text : spell(parsed);
      if (lb.vips.has(vip)) {
        // A load balancer that has nothing left to balance goes.
        if (lb.vips.size === 1) call.db.delete("Load_Balancer", lb._uuid);
        else call.db.mutate("Load_Balancer", lb._uuid, "vips", { delete: [vip] });
      } else if (!call.has("if-exists")) fail(`vip ${text} is not part of the load balancer.`);
    },
  },
  {
    name: "lb-list",
    usage: "[LB]",
    min: 0,
    max: 1,
    tables: ["Load_Balancer"],
    group: GROUP,
    help: "print load balancers",
    run(call) {
      const name = call.args[0];
      print(
        call,
        [...call.db.rows("Load_Balancer")].filter((row) => name === undefined || row.name === name || row._uuid === name),
      );
    },
  },
  ...holders.flatMap(holderCommands),
];
