/** Distributed gateway ports: what leaves by them is redirected to the gateway chassis (ovn-northd(8), "Gateway Redirect"). */
import { each } from "@weft/incremental";
import { type Flow, flow } from "../flow.ts";
import { behindVtep } from "../model/centralised.ts";
import { nb } from "../model/nb.ts";
import { routerPort } from "../model/routerPort.ts";
import { LR_IN_ADMISSION, LR_IN_ARP_RESOLVE, LR_IN_GW_REDIRECT, LR_IN_LOOKUP_NEIGHBOR } from "../stages.ts";
import { TOO_BIG } from "../switch/defaults.ts";

export const gatewayPort = each("router/gatewayPort", nb.Logical_Router_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(routerPort, uuid);
  if (port?.redirectJson === undefined) return;
  const { datapath, json, redirectJson } = port;
  const mac = port.address.macText;
  const own = { hint: uuid };
  const elsewhere = `!is_chassis_resident(${redirectJson})`;
  yield flow(
    datapath,
    LR_IN_ADMISSION,
    120,
    `${TOO_BIG} && eth.dst == ${mac} && ${elsewhere} && flags.tunnel_rx == 1`,
    `outport <-> inport; inport = ${json}; next;`,
    own,
  );
  yield flow(
    datapath,
    LR_IN_LOOKUP_NEIGHBOR,
    120,
    `inport == ${json} && (nd_na || nd_ns) && eth.mcast && ${elsewhere}`,
    "reg9[2] = 1; next;",
    own,
  );
  if (port.options.get("redirect-type") === "bridged") {
    yield flow(datapath, LR_IN_ARP_RESOLVE, 50, `outport == ${json} && ${elsewhere}`, `eth.dst = ${mac}; next;`, own);
  }
  if (!read(behindVtep, uuid))
    yield flow(datapath, LR_IN_GW_REDIRECT, 50, `outport == ${json}`, `outport = ${redirectJson}; next;`, own);
});
