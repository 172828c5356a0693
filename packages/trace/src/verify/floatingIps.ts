/** Floating IPs (dnat_and_snat): distributed where they are meant to be, on a port that is theirs, with a way out where it is. */
import type { NbRow, SbRow } from "@weft/schemas";
import type { Cloud } from "../cloud/cloud.ts";
import { addressesOf, canonicalIp } from "./addresses.ts";
import type { Finding } from "./findings.ts";

type Nat = NbRow<"NAT">;
type Chassis = SbRow<"Chassis">;

export function* verifyFloatingIps({ nb, sb }: Cloud): Generator<Finding> {
  if (nb === undefined) return;
  const guests = guestsOf(nb);
  for (const router of nb.table("Logical_Router").rows()) {
    const rows = router.nat.flatMap((uuid) => nb.table("NAT").get(uuid) ?? []).filter(({ type }) => type === "dnat_and_snat");
    const where = sb === undefined ? undefined : new Ways(nb, sb, router);
    const others = rows.filter(isDistributed).length;
    for (const row of rows) {
      const finding =
        incomplete(row) ?? (isDistributed(row) ? misplaced(row, guests, where) : central(row, guests, where, others));
      if (finding === undefined) continue;
      const subject = `floating IP ${row.external_ip} of ${row.logical_ip}`;
      yield { ...finding, subject, rows: [`NAT ${row._uuid}`] };
    }
  }
}

type Found = Pick<Finding, "code" | "detail"> | undefined;

/** ovn-nb(5), NAT: distributed with both columns set. */
const isDistributed = ({ logical_port, external_mac }: Nat): boolean => logical_port !== undefined && external_mac !== undefined;

function incomplete({ logical_port: port, external_mac: mac }: Nat): Found {
  if ((port === undefined) === (mac === undefined)) return undefined;
  const detail =
    port === undefined ? `external_mac is ${mac}, logical_port is empty` : `logical_port is ${port}, external_mac is empty`;
  return { code: "floating-ip-incomplete", detail };
}

/** The ports that have an IP address, and all names. */
interface Guests {
  readonly byIp: ReadonlyMap<string, readonly string[]>;
  readonly names: ReadonlySet<string>;
}

function guestsOf(nb: NonNullable<Cloud["nb"]>): Guests {
  const byIp = new Map<string, string[]>();
  const names = new Set<string>();
  for (const row of nb.table("Logical_Switch_Port").rows()) {
    if (row.type === "router" || row.type === "localnet") continue;
    names.add(row.name);
    for (const { ips } of addressesOf(row)) for (const ip of ips) byIp.set(ip, [...(byIp.get(ip) ?? []), row.name]);
  }
  return { byIp, names };
}

/** A distributed one must be on the port that has the inner address, and that port's chassis on the physical network. */
function misplaced({ logical_port: port = "", logical_ip }: Nat, { byIp, names }: Guests, where: Ways | undefined): Found {
  const owners = byIp.get(canonicalIp(logical_ip)) ?? [];
  if (!names.has(port)) return { code: "floating-ip-misplaced", detail: `logical_port is ${port}, which is no port` };
  if (owners.length > 0 && !owners.includes(port))
    return { code: "floating-ip-misplaced", detail: `logical_port is ${port}, but ${owners.join(", ")} has ${logical_ip}` };
  const chassis = where?.chassisOf(port);
  if (chassis === undefined || where?.network === undefined || mapsNetwork(chassis, where.network)) return undefined;
  const detail = `its port ${port} is on ${chassis.name}, whose ovn-bridge-mappings do not have the physical network ${where.network}`;
  return { code: "floating-ip-misplaced", detail };
}

/** One that is central although its port's chassis could do the work itself. */
function central({ logical_ip }: Nat, { byIp }: Guests, where: Ways | undefined, distributed: number): Found {
  const [port] = byIp.get(canonicalIp(logical_ip)) ?? [];
  if (port === undefined || where?.network === undefined || where.gateway === undefined) return undefined;
  const chassis = where.chassisOf(port);
  if (chassis === undefined || chassis.name === where.gateway.name || !mapsNetwork(chassis, where.network)) return undefined;
  const beside =
    distributed === 0
      ? ""
      : `; ${distributed} other${distributed === 1 ? "" : "s"} of the router ${distributed === 1 ? "is" : "are"} distributed`;
  const detail = `logical_port and external_mac are empty: packets of ${port} on ${chassis.name} go through ${where.gateway.name}, though ${chassis.name} is on the physical network ${where.network} itself${beside}`;
  return { code: "floating-ip-central", detail };
}

/** Chassis.other_config:ovn-bridge-mappings, as each controller reports it (ovn-sb(5)). */
function mapsNetwork({ other_config }: Chassis, network: string): boolean {
  return (other_config.get("ovn-bridge-mappings") ?? "").split(",").some((mapping) => mapping.split(":")[0]?.trim() === network);
}

/** How packets of a router with a distributed gateway port get out. */
class Ways {
  readonly #sb: NonNullable<Cloud["sb"]>;
  /** The physical network behind the gateway port; undefined: there is none. */
  readonly network: string | undefined;
  /** Which has the gateway port now. */
  readonly gateway: Chassis | undefined;

  constructor(nb: NonNullable<Cloud["nb"]>, sb: NonNullable<Cloud["sb"]>, { ports }: NbRow<"Logical_Router">) {
    this.#sb = sb;
    const names = ports.flatMap((uuid) => nb.table("Logical_Router_Port").get(uuid)?.name ?? []);
    const redirect = names
      .map((name) => ({ name, row: this.#binding(`cr-${name}`) }))
      .find(({ row }) => row?.chassis !== undefined);
    if (redirect?.row?.chassis === undefined) return;
    this.gateway = sb.table("Chassis").get(redirect.row.chassis);
    const peer = this.#binding(this.#binding(redirect.name)?.options.get("peer") ?? "");
    if (peer === undefined) return;
    const beside = sb
      .table("Port_Binding")
      .index("trace.datapath", (row) => [row.datapath])
      .get(peer.datapath);
    this.network = beside.find(({ type }) => type === "localnet")?.options.get("network_name");
  }

  #binding(port: string): SbRow<"Port_Binding"> | undefined {
    return this.#sb
      .table("Port_Binding")
      .index("trace.name", (row) => [row.logical_port])
      .get(port)[0];
  }

  chassisOf(port: string): Chassis | undefined {
    const uuid = this.#binding(port)?.chassis;
    return uuid === undefined ? undefined : this.#sb.table("Chassis").get(uuid);
  }
}
