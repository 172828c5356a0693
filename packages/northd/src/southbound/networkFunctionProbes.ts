/** Service_Monitor: pings through network functions (ovn-nb(5), Network_Function_Health_Check). */
import { each } from "@weft/incremental";
import { globals } from "../model/globals.ts";
import { nb } from "../model/nb.ts";
import { probeKey } from "../model/networkFunction.ts";
import { switchPort } from "../model/switchPort.ts";
import { type Row, row } from "../output/row.ts";
import { placed } from "./serviceMonitors.ts";

export const networkFunctionMonitors = each(
  "northd/networkFunctionMonitors",
  nb.Network_Function,
  function* (_uuid, nf, read): Iterable<Row> {
    const check = nf.health_check === undefined ? undefined : read(nb.Network_Function_Health_Check, nf.health_check);
    const [input, output] = [read(switchPort, nf.inport), read(switchPort, nf.outport)];
    const { svcMonitorIp, svcMonitorIpDst, svcMonitorMac, svcMonitorMacDst } = read(globals, "");
    const key = probeKey(nf, read);
    if (check === undefined || input === undefined || output === undefined || key === undefined || svcMonitorIp === undefined)
      return;
    yield row(
      "Service_Monitor",
      key,
      {
        type: "network-function",
        ip: svcMonitorIpDst,
        mac: svcMonitorMacDst ?? "",
        protocol: "icmp",
        port: 0,
        logical_input_port: input.name,
        logical_port: output.name,
        src_mac: svcMonitorMac ?? "",
        src_ip: svcMonitorIp,
        options: check.options,
        ...placed(output, key, read),
      },
      { remote: false },
    );
  },
);
