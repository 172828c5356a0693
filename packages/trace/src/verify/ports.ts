/** Are ports bound where their interfaces are? */
import type { SbRow } from "@weft/schemas";
import { type Cloud, type Hypervisor, integrationBridgeOf } from "../cloud/cloud.ts";
import type { Finding } from "./findings.ts";

export interface PortInterface {
  readonly hypervisor: Hypervisor;
  /** The interface's name. */
  readonly name: string;
  /** external_ids:iface-id. */
  readonly port: string;
  /** It has an OpenFlow port. */
  readonly working: boolean;
}

/** The interfaces of logical ports on a hypervisor's integration bridge. */
export function portInterfaces(hypervisor: Hypervisor): PortInterface[] {
  const { ovs } = hypervisor;
  const bridge = [...ovs.table("Bridge").rows()].find(({ name }) => name === integrationBridgeOf(hypervisor));
  const rows = (bridge?.ports ?? [])
    .flatMap((port) => ovs.table("Port").get(port)?.interfaces ?? [])
    .flatMap((uuid) => ovs.table("Interface").get(uuid) ?? []);
  return rows.flatMap(({ name, external_ids, ofport }) => {
    const port = external_ids.get("iface-id");
    return port === undefined ? [] : [{ hypervisor, name, port, working: ofport !== undefined && ofport > 0 }];
  });
}

/** Types of ports that are on the chassis of an interface. */
const BOUND_BY_INTERFACE = new Set(["", "vif"]);

export function* verifyPorts({ sb, hypervisors }: Cloud): Generator<Finding> {
  if (sb === undefined) return;
  const interfaces = hypervisors.flatMap(portInterfaces);
  const byPort = new Map<string, PortInterface[]>();
  for (const one of interfaces) byPort.set(one.port, [...(byPort.get(one.port) ?? []), one]);
  const ports = new Map([...sb.table("Port_Binding").rows()].map((row) => [row.logical_port, row]));
  const chassisNames = new Map([...sb.table("Chassis").rows()].map((row) => [row._uuid, row.name]));
  const known = new Map(hypervisors.map((hypervisor) => [hypervisor.systemId, hypervisor]));

  for (const { port, name, hypervisor } of interfaces) {
    if (ports.has(port)) continue;
    const detail = `external_ids:iface-id of interface ${name} is ${port}; no Port_Binding has that name`;
    yield { code: "interface-without-port", node: hypervisor.name, subject: `interface ${name}`, detail };
  }
  for (const row of ports.values()) {
    if (!BOUND_BY_INTERFACE.has(row.type)) continue;
    yield* verifyPort(row, byPort.get(row.parent_port || row.logical_port) ?? [], { chassisNames, known });
  }
}

interface Names {
  readonly chassisNames: ReadonlyMap<string, string>;
  readonly known: ReadonlyMap<string, Hypervisor>;
}

function* verifyPort(
  row: SbRow<"Port_Binding">,
  interfaces: readonly PortInterface[],
  { chassisNames, known }: Names,
): Generator<Finding> {
  const subject = `port ${row.logical_port}`;
  const rows = [`Port_Binding ${row._uuid}`];
  const at = interfaces.map(({ hypervisor }) => hypervisor.name);
  const [first] = interfaces;
  if (row.chassis === undefined) {
    if (first === undefined) return;
    const requested = row.options.get("requested-chassis");
    const why = requested === undefined ? "" : `; requested-chassis is ${requested}`;
    const detail = `interface ${first.name} is on ${at.join(", ")}; Port_Binding.chassis is empty${why}`;
    yield { code: "port-not-bound", node: first.hypervisor.name, subject, detail, rows };
    return;
  }
  const bound = chassisNames.get(row.chassis) ?? row.chassis;
  const there = known.get(bound);
  const here = interfaces.some(({ hypervisor }) => hypervisor.systemId === bound);
  // Whether a hypervisor that we cannot look into has the interface is not known.
  if (!here && there !== undefined) {
    if (first === undefined) {
      const detail = `bound to ${bound}, where no interface has external_ids:iface-id=${row.parent_port || row.logical_port}`;
      yield { code: "port-without-interface", node: there.name, subject, detail, rows };
      return;
    }
    const detail = `bound to ${bound}, but its interface ${first.name} is on ${at.join(", ")}`;
    yield { code: "port-on-wrong-chassis", node: first.hypervisor.name, subject, detail, rows };
    return;
  }
  if (row.up === false && here) {
    const dead = interfaces.find(({ working }) => !working);
    const why = dead === undefined ? "" : `; interface ${dead.name} has no OpenFlow port`;
    yield {
      code: "port-not-up",
      ...(there === undefined ? {} : { node: there.name }),
      subject,
      detail: `bound to ${bound}, Port_Binding.up is false${why}`,
      rows,
    };
  }
}
