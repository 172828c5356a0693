import { isUuid, type RowHandle, type Uuid } from "@weft/ovsdb";
import {
  formatIpv4,
  formatIpv6,
  ipv4Mask,
  ipv4Of,
  ipv6Mask,
  ipv6Of,
  parseIpv4,
  parseIpv4Prefix,
  parseIpv6,
  parseIpv6Prefix,
} from "@weft/packet";
import type { NbRow } from "@weft/schemas";
import { fail } from "../error.ts";
import { compareNames, groupBy, type NbCall, type NbCommand, named, needRouter, type Router } from "./common.ts";

const GROUP = "Route commands";
const tables = ["Logical_Router", "Logical_Router_Static_Route", "Logical_Router_Port", "BFD"] as const;

type Route = NbRow<"Logical_Router_Static_Route">;
type Policy = "dst-ip" | "src-ip";

/** A prefix in its one spelling: host bits cleared, no length for a single address. Undefined when malformed. */
export function normalisePrefix(text: string): string | undefined {
  const v4 = parseIpv4Prefix(text);
  if (v4 !== undefined) {
    const address = formatIpv4(ipv4Of((v4.address & ipv4Mask(v4.length)) >>> 0));
    return v4.length === 32 ? address : `${address}/${v4.length}`;
  }
  const v6 = parseIpv6Prefix(text);
  if (v6 === undefined) return undefined;
  const address = formatIpv6(ipv6Of(v6.address & ipv6Mask(v6.length)));
  return v6.length === 128 ? address : `${address}/${v6.length}`;
}

export function normaliseAddress(text: string): string | undefined {
  const v4 = parseIpv4(text);
  if (v4 !== undefined) return formatIpv4(v4);
  const v6 = parseIpv6(text);
  return v6 === undefined ? undefined : formatIpv6(v6);
}

function prefixOf(text: string): string {
  return normalisePrefix(text) ?? fail(`bad prefix argument: ${text}`);
}

function nexthopOf(text: string): string {
  return text === "discard" ? text : (normaliseAddress(text) ?? fail(`bad nexthop argument: ${text}`));
}

function policyOf(call: NbCall): Policy | undefined {
  const text = call.option("policy");
  if (text !== undefined && text !== "dst-ip" && text !== "src-ip") fail(`bad policy: ${text}`);
  return text as Policy | undefined;
}

function routesOf(call: NbCall, router: Router): Route[] {
  return router.static_routes.map((uuid) => call.db.row("Logical_Router_Static_Route", uuid)).filter((row) => row !== undefined);
}

const effectivePolicy = (route: Route): Policy => (route.policy === "src-ip" ? "src-ip" : "dst-ip");

/** The BFD session that --bfd names, or the one to that address through that port, made where there is none. */
function bfdOf(call: NbCall, address: string, port: string | undefined): Uuid | RowHandle | undefined {
  if (!call.has("bfd")) return undefined;
  const given = call.option("bfd");
  const rows = [...call.db.rows("BFD")];
  if (given !== undefined) {
    const named = isUuid(given) ? rows.find(({ _uuid }) => _uuid === given.toLowerCase()) : undefined;
    return (named ?? fail("no entry found in the BFD table"))._uuid;
  }
  const there = rows.find((row) => row.dst_ip === address && (port === undefined || row.logical_port === port));
  if (there !== undefined) return there._uuid;
  if (port === undefined) return fail("insert entry in the BFD table failed");
  return call.db.insert("BFD", { dst_ip: address, logical_port: port });
}

function add(call: NbCall): void {
  const router = needRouter(call, call.arg(0));
  const policy = policyOf(call);
  const prefix = prefixOf(call.arg(1));
  const nexthop = nexthopOf(call.arg(2));
  const discard = nexthop === "discard";
  const portName = call.args[3];
  if (discard && portName !== undefined) fail("outport is not valid for discard routes.");
  const symmetric = call.has("ecmp-symmetric-reply");
  const ecmp = symmetric || call.has("ecmp");
  if (discard && ecmp) fail("ecmp is not valid for discard routes.");
  const table = call.option("route-table") ?? "";
  if (portName !== undefined && named(call.db.rows("Logical_Router_Port"), portName) === undefined)
    fail(`${portName}: port name not found`);
  const bfd = discard ? undefined : bfdOf(call, nexthop, portName);
  const same = routesOf(call, router).filter(
    (route) =>
      route.route_table === table &&
      normalisePrefix(route.ip_prefix) === prefix &&
      effectivePolicy(route) === (policy ?? "dst-ip"),
  );
  const [first] = same;
  if (!ecmp && first !== undefined) {
    if (!call.has("may-exist")) {
      fail(`duplicate prefix: ${prefix} (policy: ${policy ?? "dst-ip"}). Use option --ecmp to allow this for ECMP routing.`);
    }
    call.db.update("Logical_Router_Static_Route", first._uuid, {
      ip_prefix: prefix,
      nexthop,
      ...(portName === undefined ? {} : { output_port: portName }),
      ...(policy === undefined ? {} : { policy }),
      ...(bfd === undefined ? {} : { bfd }),
    });
    return;
  }
  const double = same.find((route) => route.nexthop === nexthop && (portName === undefined || route.output_port === portName));
  if (ecmp && double !== undefined) {
    if (!call.has("may-exist")) fail("duplicate nexthop for the same ECMP route");
    return;
  }
  const handle = call.db.insert("Logical_Router_Static_Route", {
    ip_prefix: prefix,
    nexthop,
    route_table: table,
    ...(portName === undefined ? {} : { output_port: portName }),
    ...(policy === undefined ? {} : { policy }),
    ...(bfd === undefined ? {} : { bfd }),
    ...(symmetric ? { options: [["ecmp_symmetric_reply", "true"]] as const } : {}),
  });
  call.db.mutate("Logical_Router", router._uuid, "static_routes", { insert: [handle] });
}

function remove(call: NbCall): void {
  const router = needRouter(call, call.arg(0));
  const policy = policyOf(call);
  const prefix = call.args[1] === undefined ? undefined : prefixOf(call.args[1]);
  const nexthop = call.args[2] === undefined ? undefined : nexthopOf(call.args[2]);
  const port = call.args[3];
  const table = call.option("route-table") ?? "";
  const gone = routesOf(call, router).filter((route) => {
    if (policy !== undefined && effectivePolicy(route) !== policy) return false;
    if (prefix === undefined && policy === undefined) return true;
    if (route.route_table !== table) return false;
    if (prefix === undefined) return true;
    if (normalisePrefix(route.ip_prefix) !== prefix) return false;
    if (nexthop !== undefined && (normaliseAddress(route.nexthop) ?? route.nexthop) !== nexthop) return false;
    return port === undefined || route.output_port === port;
  });
  if (gone.length > 0) {
    call.db.mutate("Logical_Router", router._uuid, "static_routes", { delete: gone.map(({ _uuid }) => _uuid) });
  } else if (prefix !== undefined && !call.has("if-exists")) {
    fail(
      `no matching route: policy '${policy ?? "any"}', prefix '${prefix}', nexthop '${nexthop ?? "any"}', output_port '${port ?? "any"}'.`,
    );
  }
}

const lengthOf = (prefix: string, full: number) => Number(prefix.split("/")[1] ?? full);

function numberOf(prefix: string): bigint {
  const [address = ""] = prefix.split("/");
  return BigInt(parseIpv4(address) ?? parseIpv6(address) ?? 0);
}

/** Longest prefixes first, of those dst-ip before src-ip. */
function order(full: number) {
  return (a: Route, b: Route): number => {
    const length = lengthOf(b.ip_prefix, full) - lengthOf(a.ip_prefix, full);
    if (length !== 0) return length;
    if (effectivePolicy(a) !== effectivePolicy(b)) return effectivePolicy(a) === "dst-ip" ? -1 : 1;
    const [x, y] = [numberOf(a.ip_prefix), numberOf(b.ip_prefix)];
    return x < y ? -1 : x > y ? 1 : compareNames(a.nexthop, b.nexthop);
  };
}

function describe(route: Route, ecmp: boolean): string {
  const words = [
    route.ip_prefix.padStart(25),
    route.nexthop.padStart(25),
    effectivePolicy(route),
    ...(route.output_port === undefined ? [] : [route.output_port]),
    ...(route.external_ids.has("ic-learned-route") ? ["(learned)"] : []),
    ...(ecmp ? ["ecmp"] : []),
    ...(route.options.get("ecmp_symmetric_reply") === "true" ? ["ecmp-symmetric-reply"] : []),
    ...(route.bfd === undefined ? [] : ["bfd"]),
  ];
  return `${words.join(" ")}\n`;
}

function section(routes: readonly Route[], full: number): string {
  const byTable = groupBy(routes, ({ route_table }) => route_table);
  return [...byTable]
    .sort(([a], [b]) => compareNames(a, b))
    .map(([table, group]) => {
      const sorted = group.sort(order(full));
      const like = (a: Route, b: Route | undefined) =>
        b !== undefined && a.ip_prefix === b.ip_prefix && effectivePolicy(a) === effectivePolicy(b);
      const lines = sorted.map((route, i) => describe(route, like(route, sorted[i - 1]) || like(route, sorted[i + 1])));
      return `Route Table ${table === "" ? "<main>" : table}:\n${lines.join("")}`;
    })
    .join("\n");
}

export const routeCommands: readonly NbCommand[] = [
  {
    name: "lr-route-add",
    usage: "ROUTER PREFIX NEXTHOP [PORT]",
    min: 3,
    max: 4,
    options: "--may-exist --ecmp --ecmp-symmetric-reply --policy= --route-table= --bfd?",
    tables,
    group: GROUP,
    help: "add a static route to a router",
    run: add,
  },
  {
    name: "lr-route-del",
    usage: "ROUTER [PREFIX] [NEXTHOP] [PORT]",
    min: 1,
    max: 4,
    options: "--if-exists --policy= --route-table=",
    tables,
    group: GROUP,
    help: "remove static routes from a router",
    run: remove,
  },
  {
    name: "lr-route-list",
    usage: "ROUTER",
    min: 1,
    max: 1,
    options: "--route-table=",
    tables,
    group: GROUP,
    help: "print the static routes of a router",
    run(call) {
      const router = needRouter(call, call.arg(0));
      const table = call.option("route-table");
      const routes = routesOf(call, router).filter((route) => table === undefined || route.route_table === table);
      const isV4 = ({ ip_prefix }: Route) => parseIpv4Prefix(ip_prefix) !== undefined;
      const [v4, v6] = [
        section(routes.filter(isV4), 32),
        section(
          routes.filter((route) => !isV4(route)),
          128,
        ),
      ];
      const parts = [...(v4 === "" ? [] : [`IPv4 Routes\n${v4}`]), ...(v6 === "" ? [] : [`IPv6 Routes\n${v6}`])];
      call.print(parts.join("\n"));
    },
  },
];
