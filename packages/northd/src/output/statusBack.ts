/** What chassis tell of gateway ports and BFD sessions, written to the northbound database (ovn-nb(5), "Status"). */
import type { Replica, Transaction } from "@weft/ovsdb";
import type { NbSchema, SbSchema } from "@weft/schemas";
import { bfdKey } from "../model/bfd.ts";
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

/** The state of every BFD session. */
export function writeBfd(tx: Transaction<NbSchema>, nb: Nb, sb: Sb): void {
  const sessions = sb.table("BFD").index("port and peer", (row) => [bfdKey(row)]);
  for (const session of nb.table("BFD").rows()) {
    const status = sessions.get(bfdKey(session))[0]?.status;
    if (status !== undefined && session.status !== status) tx.update("BFD", session._uuid, { status });
  }
}
