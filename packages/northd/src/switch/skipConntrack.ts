/** Traffic of localnet and router ports is not tracked by connection (ovn-northd(8), Pre-ACLs and Pre-LB). */
import { each, type Read } from "@weft/incremental";
import { type Flow, flow } from "../flow.ts";
import { nb } from "../model/nb.ts";
import { routerPort } from "../model/routerPort.ts";
import { type SwitchPort, switchPort } from "../model/switchPort.ts";
import { LS_IN_PRE_ACL, LS_IN_PRE_LB, LS_OUT_PRE_ACL, LS_OUT_PRE_LB } from "../stages.ts";
import { aclTraits } from "./aclModel.ts";

export const skipConntrack = each("switch/skipConntrack", nb.Logical_Switch_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(switchPort, uuid);
  if (port === undefined) return;
  const { datapath, json, name } = port;
  const routed = (port.type === "router" && port.peer !== undefined) || port.type === "switch";
  if (!routed && port.type !== "localnet") return;
  const own = { hint: uuid, port: name };
  const { stateful, balanced } = read(aclTraits, datapath);
  const leave = stateful || port.type === "switch" ? "next;" : "flags.pkt_sampled = 0; ct_clear; next;";
  // Clients behind a localnet port are balanced like others.
  if (routed || !balanced) {
    yield flow(datapath, LS_IN_PRE_LB, 110, `ip && inport == ${json}`, "next;", own);
    yield flow(datapath, LS_OUT_PRE_LB, 110, `ip && outport == ${json}`, leave, own);
  }
  if (!stateful) return;
  if (filtered(port, read)) return;
  yield flow(datapath, LS_IN_PRE_ACL, 110, `ip && inport == ${json}`, "next;", own);
  yield flow(datapath, LS_OUT_PRE_ACL, 110, `ip && outport == ${json}`, leave, own);
});

/** Whether the ACLs of a switch count for its port to a router's distributed gateway port too, where that is asked for. */
function filtered(port: SwitchPort, read: Read): boolean {
  const peer = port.peer === undefined ? undefined : read(routerPort, port.peer);
  return peer?.isGateway === true && port.options.get("enable_router_port_acl") === "true";
}
