/** Admission of frames from ports, and what comes back through tunnels as "packet too big" (ovn-northd(8), ingress table 0). */
import { each } from "@weft/incremental";
import { type Flow, flow, quoted } from "../flow.ts";
import { centralised } from "../model/centralised.ts";
import { nb, switches } from "../model/nb.ts";
import { queueOf } from "../model/queue.ts";
import { redirectName, routerPort } from "../model/routerPort.ts";
import { switchPort, switchPorts } from "../model/switchPort.ts";
import { LS_IN_ARP_RSP, LS_IN_CHECK_PORT_SEC, LS_IN_HAIRPIN, LS_IN_L2_LKUP, LS_OUT_APPLY_PORT_SEC } from "../stages.ts";
import { TOO_BIG } from "./defaults.ts";

export const portSecurity = each("switch/portSecurity", nb.Logical_Switch_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(switchPort, uuid);
  if (port === undefined) return;
  const { datapath, json, name } = port;
  const own = { hint: uuid, port: name };
  const peer = port.peer === undefined ? undefined : read(routerPort, port.peer);
  const redirect = peer !== undefined && read(centralised, peer.uuid) === uuid ? redirectName(name) : undefined;
  if (!port.enabled) {
    for (const from of redirect === undefined ? [name] : [name, redirect]) {
      const match = `inport == ${quoted(from)}`;
      yield flow(datapath, LS_IN_CHECK_PORT_SEC, 100, match, "reg0[15] = 1; next;", { hint: uuid, port: from });
    }
  }
  if (port.type === "router") {
    if (port.enabled) yield flow(datapath, LS_IN_CHECK_PORT_SEC, 70, `inport == ${json}`, "reg0[18] = 1; next;", own);
    if (peer === undefined) return;
    if (port.enabled && redirect !== undefined) {
      yield flow(datapath, LS_IN_CHECK_PORT_SEC, 70, `inport == ${quoted(redirect)}`, "reg0[18] = 1; next;", {
        hint: uuid,
        port: redirect,
      });
    }
    const mac = peer.address.macText;
    if (peer.routerOptions.has("chassis")) {
      yield flow(
        datapath,
        LS_IN_CHECK_PORT_SEC,
        120,
        `${TOO_BIG} && eth.src == ${mac} && outport == ${json} && flags.tunnel_rx == 1`,
        "outport <-> inport; next;",
      );
    } else {
      yield flow(
        datapath,
        LS_IN_CHECK_PORT_SEC,
        120,
        `${TOO_BIG} && eth.dst == ${mac} && flags.tunnel_rx == 1`,
        `outport <-> inport; next(pipeline=ingress,table=${LS_IN_L2_LKUP.table});`,
      );
    }
    return;
  }
  for (const { macText } of port.addresses) {
    yield flow(
      datapath,
      LS_IN_CHECK_PORT_SEC,
      110,
      `${TOO_BIG} && eth.src == ${macText} && outport == ${json} && !is_chassis_resident(${json}) && flags.tunnel_rx == 1`,
      "outport <-> inport; next;",
    );
  }
  if (!port.enabled) return;
  const queue = queueOf(port, read);
  if (port.type === "vtep") {
    yield flow(
      datapath,
      LS_IN_CHECK_PORT_SEC,
      70,
      `inport == ${json}`,
      `reg0[14] = 1; next(pipeline=ingress, table=${LS_IN_HAIRPIN.table});`,
      own,
    );
  } else if (queue !== undefined) {
    yield flow(
      datapath,
      LS_IN_CHECK_PORT_SEC,
      70,
      `inport == ${json}`,
      `set_queue(${queue}); reg0[15] = check_in_port_sec(); next;`,
      own,
    );
  }
});

/** Frames from hardware VTEP switches skip to the lookup; their ARP requests are answered back to where they came from. */
export const vtep = each("switch/vtep", switches, function* (uuid, _row, read): Iterable<Flow> {
  const ports = read(switchPorts, uuid);
  if (!ports.some((port) => port.type === "vtep")) return;
  for (const { peer } of ports) {
    const redirect = peer === undefined ? undefined : read(routerPort, peer)?.redirectJson;
    if (redirect !== undefined)
      yield flow(uuid, LS_IN_HAIRPIN, 2000, `reg0[14] == 1 && is_chassis_resident(${redirect})`, "next;");
  }
  yield flow(uuid, LS_IN_HAIRPIN, 1000, "reg0[14] == 1", `next(pipeline=ingress, table=${LS_IN_L2_LKUP.table});`);
  yield flow(uuid, LS_IN_ARP_RSP, 65535, "reg0[14] == 1 && (arp || nd_ns)", "flags.loopback = 1; next;");
});

/** Queues of ports apply where their frames leave through the switch's localnet port. */
export const queues = each("switch/queues", switches, function* (uuid, _row, read): Iterable<Flow> {
  const ports = read(switchPorts, uuid);
  const localnet = ports.find((port) => port.type === "localnet" && port.enabled);
  if (localnet === undefined) return;
  for (const port of ports) {
    const queue = queueOf(port, read);
    if (queue === undefined) continue;
    const own = port === localnet;
    yield flow(
      uuid,
      LS_OUT_APPLY_PORT_SEC,
      own ? 100 : 110,
      own ? `outport == ${localnet.json}` : `outport == ${localnet.json} && inport == ${port.json}`,
      `set_queue(${queue}); output;`,
      { hint: localnet.uuid, port: localnet.name },
    );
  }
});
