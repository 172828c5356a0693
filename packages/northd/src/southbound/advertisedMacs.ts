/** Advertised_MAC_Binding: what a stretched switch tells the fabric of its hosts (ovn-nb(5), dynamic-routing-redistribute). */
import { each } from "@weft/incremental";
import { switchConfig } from "../model/config.ts";
import { nb } from "../model/nb.ts";
import { switchPort } from "../model/switchPort.ts";
import { type Row, row } from "../output/row.ts";
import { evpn } from "../switch/evpn.ts";
import { datapathRef } from "./datapaths.ts";
import { portRef } from "./ports.ts";

/** Types of ports that are not in one place. */
const UNTOLD: ReadonlySet<string> = new Set(["external", "localport", "virtual"]);

export const advertisedMacs = each("northd/advertisedMacs", nb.Logical_Switch_Port, function* (uuid, _row, read): Iterable<Row> {
  const port = read(switchPort, uuid);
  if (port === undefined || UNTOLD.has(port.type) || read(evpn, port.datapath) === undefined) return;
  const told = (read(switchConfig, port.datapath).get("dynamic-routing-redistribute") ?? "").split(",");
  if (!told.includes("ip")) return;
  for (const { macText: mac, ip4, ip6 } of port.addresses) {
    for (const { text: ip } of [...ip4, ...ip6.filter(({ implicit }) => !implicit)]) {
      const columns = { datapath: datapathRef(port.datapath), logical_port: portRef(port.name), ip, mac };
      yield row("Advertised_MAC_Binding", `${port.datapath} ${port.name} ${ip} ${mac}`, columns);
    }
  }
});
