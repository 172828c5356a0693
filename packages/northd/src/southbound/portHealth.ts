/** Checks of what is behind a switch port (ovn-nb(5), Logical_Switch_Port_Health_Check). */
import { each, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import type { Flow } from "../flow.ts";
import { type IpAddress, parseIp } from "../model/addresses.ts";
import { serviceKey } from "../model/backends.ts";
import { globals } from "../model/globals.ts";
import { nb } from "../model/nb.ts";
import { type SwitchPort, switchPort } from "../model/switchPort.ts";
import { type Row, row } from "../output/row.ts";
import { placed, probeAnswer } from "./serviceMonitors.ts";

interface Check {
  readonly row: NbRow<"Logical_Switch_Port_Health_Check">;
  readonly address: IpAddress;
  readonly source: IpAddress;
}

/** The checks of a port that ask for an address of its own, and say from where. */
function checksOf({ addresses }: SwitchPort, ids: readonly Uuid[], read: Read): readonly Check[] {
  const own = new Set(addresses.flatMap(({ ip4, ip6 }) => [...ip4, ...ip6].map(({ text }) => text)));
  return ids.flatMap((id) => {
    const found = read(nb.Logical_Switch_Port_Health_Check, id);
    const address = parseIp(found?.address ?? "");
    const source = parseIp(found?.src_ip ?? "");
    if (found === undefined || address === undefined || source === undefined || !own.has(address.text)) return [];
    return [{ row: found, address, source }];
  });
}

export const portMonitors = each("northd/portMonitors", nb.Logical_Switch_Port, function* (uuid, lsp, read): Iterable<Row> {
  const port = read(switchPort, uuid);
  if (port === undefined) return;
  for (const { row: check, address, source } of checksOf(port, lsp.health_checks, read)) {
    const key = serviceKey(port.name, address.text, check.port, check.protocol);
    yield row(
      "Service_Monitor",
      key,
      {
        type: "logical-switch-port",
        ip: address.text,
        protocol: check.protocol,
        port: check.port,
        logical_port: port.name,
        src_mac: read(globals, "").svcMonitorMac ?? "",
        src_ip: source.text,
        options: check.options,
        ...placed(port, key, read),
      },
      { remote: false },
    );
  }
});

export const portProbes = each("switch/portProbes", nb.Logical_Switch_Port, function* (uuid, lsp, read): Iterable<Flow> {
  const port = read(switchPort, uuid);
  if (port === undefined) return;
  for (const { source } of checksOf(port, lsp.health_checks, read))
    yield probeAnswer(port.datapath, source.family, source.text, uuid, read);
});
