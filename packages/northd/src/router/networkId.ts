/** Which of a port's networks a packet leaves to, and where replies of ECMP routes go (ovn-northd(8), router ingress tables 26 and 28). */
import { each } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Flow, flow } from "../flow.ts";
import { nb, portKey, redirectId } from "../model/nb.ts";
import { routerPort } from "../model/routerPort.ts";
import { LR_IN_ECMP_STATEFUL_EGR, LR_IN_NETWORK_ID } from "../stages.ts";

export const networkId = each("router/networkId", nb.Logical_Router_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(routerPort, uuid);
  if (port === undefined) return;
  const { datapath, json, address } = port;
  const make = (match: string, index: number): Flow =>
    flow(datapath, LR_IN_NETWORK_ID, 110, `outport == ${json} && ${match}`, `flags.network_id = ${Math.min(index, 15)}; next;`);
  for (const [index, { text, length }] of address.ip4.entries()) {
    yield make(`ip4 && reg0 == ${text}/${length}`, index);
  }
  for (const [index, { text, length }] of address.ip6.filter(({ implicit }) => !implicit).entries()) {
    yield make(`ip6 && xxreg0 == ${text}/${length}`, index);
  }
});

function replyFlow(datapath: Uuid, json: string, key: number): Flow {
  return flow(
    datapath,
    LR_IN_ECMP_STATEFUL_EGR,
    100,
    `reg9[10] == 1 && ip && outport == ${json}`,
    `ct_commit { ct_label.ecmp_reply_eth = eth.dst; ct_mark.ecmp_reply_port = ${key};}; output;`,
  );
}

export const ecmpReply = each("router/ecmpReply", nb.Logical_Router_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(routerPort, uuid);
  const key = read(portKey, uuid);
  if (port === undefined || key === undefined) return;
  yield replyFlow(port.datapath, port.json, key);
  const redirectKey = read(portKey, redirectId(uuid));
  if (port.redirectJson !== undefined && redirectKey !== undefined) {
    yield replyFlow(port.datapath, port.redirectJson, redirectKey);
  }
});
