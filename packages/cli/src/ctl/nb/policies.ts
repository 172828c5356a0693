import { isUuid, type RowHandle, type Uuid } from "@weft/ovsdb";
import { ipv4Mask, ipv6Mask, parseIpv4, parseIpv4Prefix, parseIpv6, parseIpv6Prefix } from "@weft/packet";
import type { NbRow } from "@weft/schemas";
import { fail } from "../error.ts";
import { compareNames, groupBy, type NbCall, type NbCommand, named, needRouter, parsePriority, type Router } from "./common.ts";
import { normaliseAddress } from "./routes.ts";

const GROUP = "Policy commands";
const tables = ["Logical_Router", "Logical_Router_Policy", "Logical_Router_Port", "BFD"] as const;
const actions = ["allow", "drop", "reroute", "jump"] as const;

type Policy = NbRow<"Logical_Router_Policy">;

function policiesOf(call: NbCall, router: Router): Policy[] {
  return router.policies.map((uuid) => call.db.row("Logical_Router_Policy", uuid)).filter((row) => row !== undefined);
}

function nexthopsOf(text: string): string[] {
  const hops = text.split(",").filter((hop) => hop !== "");
  const normal = hops.map((hop) => normaliseAddress(hop) ?? fail(`bad next hop argument: ${text}`));
  if (new Set(normal.map((hop) => hop.includes(":"))).size > 1)
    fail(`bad next hops argument, not in the same addr family : ${text}`);
  return normal;
}

/** The port of the router on whose network an address is. */
function portTowards(call: NbCall, router: Router, address: string): string | undefined {
  const [v4, v6] = [parseIpv4(address), parseIpv6(address)];
  for (const uuid of router.ports) {
    const port = call.db.row("Logical_Router_Port", uuid);
    for (const network of port?.networks ?? []) {
      const [net4, net6] = [parseIpv4Prefix(network), parseIpv6Prefix(network)];
      const near4 = v4 !== undefined && net4 !== undefined && ((v4 ^ net4.address) & ipv4Mask(net4.length)) === 0;
      const near6 = v6 !== undefined && net6 !== undefined && ((v6 ^ net6.address) & ipv6Mask(net6.length)) === 0n;
      if (near4 || near6) return port?.name;
    }
  }
  return undefined;
}

function sessionsOf(call: NbCall, router: Router, hops: readonly string[], outputPort: string | undefined): (Uuid | RowHandle)[] {
  if (!call.has("bfd")) return [];
  const given = call.option("bfd");
  const rows = [...call.db.rows("BFD")];
  if (given !== undefined) {
    const session = isUuid(given) ? rows.find(({ _uuid }) => _uuid === given.toLowerCase()) : undefined;
    return [(session ?? fail("no entry found in the BFD table"))._uuid];
  }
  return hops.flatMap((hop): (Uuid | RowHandle)[] => {
    const there = rows.find((row) => row.dst_ip === hop && (outputPort === undefined || row.logical_port === outputPort));
    if (there !== undefined) return [there._uuid];
    const port = outputPort ?? portTowards(call, router, hop);
    return port === undefined ? [] : [call.db.insert("BFD", { dst_ip: hop, logical_port: port })];
  });
}

function add(call: NbCall): void {
  const router = needRouter(call, call.arg(0));
  const priority = parsePriority(call.arg(1));
  const [match, actionText] = [call.arg(2), call.arg(3)];
  const action = actions.find((word) => word === actionText);
  if (action === undefined) return fail(`${actionText}: action must be one of "allow", "drop", "reroute", "jump"`);
  let rest = call.args.slice(4);
  let hops: string[] = [];
  let jump: string | undefined;
  if (action === "reroute") {
    hops = nexthopsOf(rest[0] ?? fail("Nexthop is required when action is reroute."));
    rest = rest.slice(1);
  } else if (action === "jump") {
    jump = rest[0] ?? fail("Chain name is required when action is jump.");
    rest = rest.slice(1);
  }
  const chain = call.option("chain");
  for (const policy of policiesOf(call, router)) {
    if (policy.priority !== priority || policy.match !== match || (policy.chain ?? "") !== (chain ?? "")) continue;
    if (call.has("may-exist")) return;
    fail(`Same routing policy already existed on the logical router ${call.arg(0)}.`);
  }
  const options = rest.map((text) => {
    const equals = text.indexOf("=");
    if (equals < 0) fail(`No value specified for the option : ${text}`);
    return [text.slice(0, equals), text.slice(equals + 1)] as const;
  });
  const portName = call.option("output-port");
  const port =
    portName === undefined
      ? undefined
      : (named(call.db.rows("Logical_Router_Port"), portName) ?? fail(`unknown output-port: ${portName}`));
  const sessions = sessionsOf(call, router, hops, portName);
  const handle = call.db.insert("Logical_Router_Policy", {
    priority,
    match,
    action,
    nexthops: hops,
    options,
    bfd_sessions: sessions,
    ...(chain === undefined ? {} : { chain }),
    ...(jump === undefined ? {} : { jump_chain: jump }),
    ...(port === undefined ? {} : { output_port: port._uuid }),
  });
  call.db.mutate("Logical_Router", router._uuid, "policies", { insert: [handle] });
}

function remove(call: NbCall): void {
  const router = needRouter(call, call.arg(0));
  const [which, match] = [call.args[1], call.args[2]];
  const chain = call.option("chain");
  const all = policiesOf(call, router).filter((policy) => chain === undefined || (policy.chain ?? "") === chain);
  let gone = all;
  if (which !== undefined && isUuid(which)) {
    gone = all.filter(({ _uuid }) => _uuid === which.toLowerCase());
    if (gone.length === 0 && !call.has("if-exists")) fail("Logical router policy uuid is not found.");
  } else if (which !== undefined) {
    const priority = parsePriority(which);
    gone = all.filter((policy) => policy.priority === priority && (match === undefined || policy.match === match));
    if (match !== undefined) gone = gone.slice(0, 1);
  }
  if (gone.length > 0) call.db.mutate("Logical_Router", router._uuid, "policies", { delete: gone.map(({ _uuid }) => _uuid) });
}

const GAP = " ".repeat(15);

function describe(call: NbCall, policy: Policy): string {
  const { priority, match, action, jump_chain, nexthop, nexthops, options, bfd_sessions, output_port } = policy;
  const hops = nexthops.length > 0 ? nexthops : nexthop === undefined ? [] : [nexthop];
  const port = output_port === undefined ? undefined : call.db.row("Logical_Router_Port", output_port);
  const parts = [
    `${String(priority).padStart(10)} ${match.padStart(50)} ${action.padStart(15)}`,
    ...(jump_chain === undefined ? [] : [` -> ${jump_chain}`]),
    ...(hops.length === 0 ? [] : [` ${hops.map((hop, i) => (i === 0 ? hop.padStart(25) : hop)).join(", ")}`]),
    ...(port === undefined ? [] : [` ${port.name}`]),
    ...(bfd_sessions.length === 0 ? [] : [`${GAP}bfd`]),
    ...(options.size === 0 ? [] : [GAP + [...options].map(([key, value]) => `${key}=${value}`).join(", ")]),
  ];
  return `${parts.join("")}\n`;
}

export const policyCommands: readonly NbCommand[] = [
  {
    name: "lr-policy-add",
    usage: "ROUTER PRIORITY MATCH ACTION [NEXTHOP|CHAIN] [KEY=VALUE]...",
    min: 4,
    max: Number.POSITIVE_INFINITY,
    options: "--may-exist --bfd? --chain= --output-port=",
    tables,
    group: GROUP,
    help: "add a policy to a router",
    run: add,
  },
  {
    name: "lr-policy-del",
    usage: "ROUTER [PRIORITY|UUID] [MATCH]",
    min: 1,
    max: 3,
    options: "--if-exists --chain=",
    tables,
    group: GROUP,
    help: "remove policies from a router",
    run: remove,
  },
  {
    name: "lr-policy-list",
    usage: "ROUTER",
    min: 1,
    max: 1,
    tables,
    group: GROUP,
    help: "print the policies of a router",
    run(call) {
      const chains = groupBy(policiesOf(call, needRouter(call, call.arg(0))), ({ chain }) => chain ?? "");
      if (chains.size === 0) return;
      const sections = [...chains]
        .sort(([a], [b]) => compareNames(a, b))
        .map(([chain, policies]) => {
          const sorted = policies.sort((a, b) => b.priority - a.priority || compareNames(a.match, b.match));
          return `Chain ${chain === "" ? "<Default>" : chain}:\n${sorted.map((policy) => describe(call, policy)).join("")}`;
        });
      call.print(`Routing Policies\n${sections.join("\n")}`);
    },
  },
];
