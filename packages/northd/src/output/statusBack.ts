/** What chassis tell of gateway ports, delegated prefixes, BFD sessions and checks, written to the northbound database (ovn-nb(5)). */
import type { Replica, Transaction } from "@weft/ovsdb";
import type { NbSchema, SbSchema } from "@weft/schemas";
import { serviceKey } from "../model/backends.ts";
import { bfdKey } from "../model/bfd.ts";
import { DELEGATED, delegatedPrefix } from "../model/routerAdvertisement.ts";
import { redirectName } from "../model/routerPort.ts";

type Nb = Replica<NbSchema>;
type Sb = Replica<SbSchema>;

const REDIRECT = redirectName("");
const HOST = "hosting-chassis";

/** Which chassis hosts a gateway port. `bindings`: names of port bindings that may have moved. */
export function writeHosts(tx: Transaction<NbSchema>, nb: Nb, sb: Sb, bindings: Iterable<string>): void {
  const ports = nb.table("Logical_Router_Port").index("name", (port) => [port.name]);
  const rows = sb.table("Port_Binding").index("logical_port", (port) => [port.logical_port]);
  for (const name of bindings) {
    if (!name.startsWith(REDIRECT)) continue;
    const binding = rows.get(name)[0];
    const chassis = binding?.chassis === undefined ? undefined : sb.table("Chassis").get(binding.chassis)?.name;
    for (const port of ports.get(name.slice(REDIRECT.length))) {
      if (port.status.get(HOST) === chassis) continue;
      const status = new Map(port.status);
      if (chassis === undefined) status.delete(HOST);
      else status.set(HOST, chassis);
      tx.update("Logical_Router_Port", port._uuid, { status });
    }
  }
}

/** The prefixes that ports were delegated. `names`: of port bindings that may have changed. */
export function writePrefixes(tx: Transaction<NbSchema>, nb: Nb, sb: Sb, names: Iterable<string>): void {
  const ports = nb.table("Logical_Router_Port").index("name", (port) => [port.name]);
  const rows = sb.table("Port_Binding").index("logical_port", (port) => [port.logical_port]);
  for (const name of names) {
    for (const port of ports.get(name)) {
      if (port.options.get("prefix") !== "true") continue;
      const prefix = delegatedPrefix(rows.get(name)[0]?.options.get(DELEGATED));
      if (port.ipv6_prefix.join() === (prefix ?? "")) continue;
      tx.update("Logical_Router_Port", port._uuid, { ipv6_prefix: prefix === undefined ? [] : [prefix] });
    }
  }
}

/** The state of every check of a switch port. */
export function writeChecks(tx: Transaction<NbSchema>, nb: Nb, sb: Sb): void {
  const monitors = sb
    .table("Service_Monitor")
    .index("service", (row) => [serviceKey(row.logical_port, row.ip, row.port, row.protocol ?? "tcp")]);
  const ports = nb.table("Logical_Switch_Port").index("health_checks", (port) => port.health_checks);
  for (const { _uuid, address, port, protocol, status } of nb.table("Logical_Switch_Port_Health_Check").rows()) {
    const name = ports.get(_uuid)[0]?.name;
    const told = name === undefined ? undefined : monitors.get(serviceKey(name, address, port, protocol))[0]?.status;
    if (told !== undefined && told !== status) tx.update("Logical_Switch_Port_Health_Check", _uuid, { status: told });
  }
}

/** The state of every BFD session. */
export function writeBfd(tx: Transaction<NbSchema>, nb: Nb, sb: Sb): void {
  const sessions = sb.table("BFD").index("port and peer", (row) => [bfdKey(row)]);
  for (const session of nb.table("BFD").rows()) {
    const status = sessions.get(bfdKey(session))[0]?.status;
    if (status !== undefined && session.status !== status) tx.update("BFD", session._uuid, { status });
  }
}
