/**
 * Random gateways, NAT, routes with groups and what else is about gateways, for a random network: edits as in network.ts, each
 * the arguments of one ovn-nbctl call. They only add and set.
 */
import type { RandomNetwork } from "./network.ts";
import { Chance } from "./xorshift.ts";

type Edit = readonly string[];

/** What the gateways stand on. */
export interface Site {
  readonly chassis: readonly string[];
  /** The physical network of the localnet port of an edit with this number. */
  networkName(number: number): string;
}

const IMAGINED: Site = { chassis: ["ch1", "ch2", "ch3"], networkName: (number) => `n${number}` };

/** Edits for the network as it is now. The same seed gives the same edits for the same network. */
export function gatewayEdits(network: RandomNetwork, seed: number, count: number, site = IMAGINED): Edit[] {
  const chance = new Chance(seed);
  const edits: Edit[] = [];
  const used = new Set<string>();
  const kinds = [gatewayRouter, gatewayPort, gatewayPort, nat, nat, nat, nat, group, mtu, option, localnet];
  for (let tries = 0; edits.length < count && tries < count * 20; tries++) {
    const edit = chance.pick(kinds)(network, chance, edits.length, site);
    const key = edit?.slice(0, edit[0] === "lrp-set-gateway-chassis" ? 3 : undefined).join(" ");
    // ovn-nbctl makes a second row of what it has not made in an earlier transaction.
    if (edit === undefined || key === undefined || used.has(key)) continue;
    used.add(key);
    edits.push(edit);
  }
  return edits;
}

type Kind = (network: RandomNetwork, chance: Chance, number: number, site: Site) => Edit | undefined;

const gatewayRouter: Kind = ({ routers }, chance, _, { chassis }) => {
  const router = chance.pick(routers);
  return ["set", "Logical_Router", router.name, `options:chassis=${chance.pick(chassis)}`];
};

const gatewayPort: Kind = ({ routers }, chance, _, { chassis }) => {
  const ports = chance.pick(routers).ports.filter(({ attached }) => attached !== undefined);
  if (ports.length === 0) return undefined;
  return ["lrp-set-gateway-chassis", chance.pick(ports).name, chance.pick(chassis), String(1 + chance.below(30))];
};

const localnet: Kind = ({ switches }, chance, number, { networkName }) => {
  const at = chance.pick(switches);
  if (at.ports.some(({ kind }) => kind === "localnet")) return undefined;
  const name = `${at.name}-outside`;
  return [
    "--may-exist",
    "lsp-add",
    at.name,
    name,
    "--",
    "lsp-set-type",
    name,
    "localnet",
    "--",
    "lsp-set-options",
    name,
    `network_name=${networkName(number)}`,
  ];
};

/** An address of a router's port, or one near it. */
function external(networks: readonly string[], chance: Chance, number: number): string | undefined {
  if (networks.length === 0) return undefined;
  const address = chance.pick(networks).replace(/\/.*$/, "");
  if (chance.percent(15)) return address;
  const cut = Math.max(address.lastIndexOf("."), address.lastIndexOf(":")) + 1;
  return `${address.slice(0, cut)}${address.includes(":") ? (0xe00 + number).toString(16) : 180 + (number % 60)}`;
}

const nat: Kind = (network, chance, number) => {
  const router = chance.pick(network.routers);
  const outside = external(
    router.ports.flatMap(({ networks }) => networks),
    chance,
    number,
  );
  const { guests } = network;
  if (outside === undefined || guests.length === 0) return undefined;
  const six = outside.includes(":");
  const guest = chance.pick(guests);
  const inside = six ? guest.ip6 : guest.ip4;
  if (inside === undefined) return undefined;
  const type = chance.pick(["snat", "dnat", "dnat_and_snat", "dnat_and_snat"] as const);
  const subnet = six ? inside.replace(/::.*$/, "::/64") : inside.replace(/\.\d+$/, ".0/24");
  const columns = [
    `type=${type}`,
    `external_ip="${outside}"`,
    `logical_ip="${type === "snat" && chance.percent(70) ? subnet : inside}"`,
  ];
  if (type === "dnat_and_snat") {
    if (chance.percent(50)) {
      columns.push(`logical_port=${guest.name}`, `external_mac="0e:00:00:00:09:${(16 + (number % 200)).toString(16)}"`);
    }
    if (chance.percent(20)) columns.push("options:stateless=true");
    if (chance.percent(20)) columns.push("options:add_route=true");
  }
  return [`--id=@n${number}`, "create", "NAT", ...columns, "--", "add", "Logical_Router", router.name, "nat", `@n${number}`];
};

/** Several routes to one prefix. */
const group: Kind = ({ routers }, chance, number) => {
  const router = chance.pick(routers);
  const networks = router.ports.flatMap((port) => port.networks).filter((text) => text.endsWith("/24"));
  if (networks.length === 0) return undefined;
  const hop = (last: number) => chance.pick(networks).replace(/\.\d+\/24$/, `.${last}`);
  const how = chance.percent(40) ? "--ecmp-symmetric-reply" : "--ecmp";
  const prefix = `10.77.${number % 250}.0/24`;
  return [
    "--may-exist",
    how,
    "lr-route-add",
    router.name,
    prefix,
    hop(60),
    "--",
    "--may-exist",
    how,
    "lr-route-add",
    router.name,
    prefix,
    hop(61),
  ];
};

const mtu: Kind = ({ routers }, chance) => {
  const { ports } = chance.pick(routers);
  if (ports.length === 0) return undefined;
  return ["set", "Logical_Router_Port", chance.pick(ports).name, `options:gateway_mtu=${chance.pick([1400, 1500])}`];
};

const option: Kind = ({ routers, switches }, chance) => {
  const router = chance.pick(routers);
  const ports = switches.flatMap((at) => at.ports.filter(({ kind }) => kind === "router"));
  const own = router.ports.length === 0 ? undefined : chance.pick(router.ports).name;
  const port = ports.length === 0 ? undefined : chance.pick(ports).name;
  const choices: (Edit | undefined)[] = [
    ["set", "Logical_Router", router.name, `options:ct-commit-all=${chance.percent(70)}`],
    ["set", "Logical_Router", router.name, "options:dnat_force_snat_ip=10.99.0.1"],
    ["set", "Logical_Router", router.name, "options:mcast_relay=true"],
    own && ["set", "Logical_Router_Port", own, "options:reside-on-redirect-chassis=true"],
    own && ["set", "Logical_Router_Port", own, `options:redirect-type=${chance.pick(["bridged", "overlay"])}`],
    own && ["set", "Logical_Router_Port", own, "ipv6_ra_configs:address_mode=slaac", "ipv6_ra_configs:send_periodic=true"],
    port && ["set", "Logical_Switch_Port", port, "options:nat-addresses=router"],
  ].map((choice) => (choice === undefined || choice === "" ? undefined : choice));
  return chance.pick(choices);
};
