/** Admission, and learning of neighbours (ovn-northd(8), router ingress tables 0 to 2). */
import { each } from "@weft/incremental";
import { type Flow, flow } from "../flow.ts";
import { arpProxy, toRouter } from "../model/arpProxy.ts";
import { balancesEverywhere } from "../model/balancers.ts";
import { behindVtep } from "../model/centralised.ts";
import { metered } from "../model/copp.ts";
import { nb, routers } from "../model/nb.ts";
import { attachedSwitchPort, remoteChassisOf, residence, routerPort, routerPorts } from "../model/routerPort.ts";
import { LR_IN_ADMISSION, LR_IN_LEARN_NEIGHBOR, LR_IN_LOOKUP_NEIGHBOR, LR_OUT_DELIVERY } from "../stages.ts";
import { admit } from "./mtu.ts";

export const admission = each("router/admission", nb.Logical_Router_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(routerPort, uuid);
  if (port === undefined || !port.enabled) return;
  const { datapath, json } = port;
  const mac = port.address.macText;
  const keep = `xreg0[0..47] = ${mac}; next;`;
  yield flow(datapath, LR_IN_ADMISSION, 50, `eth.mcast && inport == ${json}`, keep, { hint: uuid });
  const everywhere = read(behindVtep, uuid) || read(balancesEverywhere, datapath);
  const resident = everywhere ? "" : residence(port);
  const attached = attachedSwitchPort(port, read);
  const proxy = attached === undefined ? undefined : read(arpProxy, attached);
  yield* admit(port, `${toRouter(mac, proxy)} && inport == ${json}${resident}`, { hint: uuid }, read);
});

export const delivery = each("router/delivery", nb.Logical_Router_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(routerPort, uuid);
  if (port === undefined || !port.enabled) return;
  yield flow(port.datapath, LR_OUT_DELIVERY, 100, `outport == ${port.json}`, "output;");
});

/** reg9[2]: the neighbour is known already; reg9[3]: its request concerns us. */
export const learning = each("router/learning", routers, function* (uuid, row, read): Iterable<Flow> {
  const answer = metered(uuid, "nd-na", read);
  const always = row.options.get("always_learn_from_arp_request") !== "false";
  const lookup = (match: string, find: string, known: string) =>
    flow(uuid, LR_IN_LOOKUP_NEIGHBOR, 100, match, `reg9[2] = ${find}; ${known}next;`);
  // Answers are for the parts of the router in other zones, too.
  const shared = read(routerPorts, uuid).some((port) => remoteChassisOf(port, read) !== undefined) ? "flood_remote; " : "";
  const own = `${always ? "" : "reg9[3] = 1; "}${shared}`;
  yield lookup("arp.op == 2", "lookup_arp(inport, arp.spa, arp.sha)", own);
  yield lookup("nd_na", "lookup_nd(inport, nd.target, nd.tll)", own);
  if (!always) {
    yield flow(
      uuid,
      LR_IN_LOOKUP_NEIGHBOR,
      110,
      "nd_na && ip6.src == fe80::/10 && ip6.dst == ff00::/8",
      `reg9[2] = lookup_nd(inport, nd.target, nd.tll); reg9[3] = lookup_nd_ip(inport, nd.target); ${shared}next;`,
    );
  }
  yield lookup("nd_ns", "lookup_nd(inport, ip6.src, nd.sll)", always ? "" : "reg9[3] = lookup_nd_ip(inport, ip6.src); ");
  yield flow(uuid, LR_IN_LOOKUP_NEIGHBOR, 0, "1", "reg9[2] = 1; next;");
  yield flow(uuid, LR_IN_LEARN_NEIGHBOR, 100, always ? "reg9[2] == 1" : "reg9[2] == 1 || reg9[3] == 0", "mac_cache_use; next;");
  yield flow(uuid, LR_IN_LEARN_NEIGHBOR, 95, "nd_ns && (ip6.src == 0 || nd.sll == 0)", "next;");
  yield flow(uuid, LR_IN_LEARN_NEIGHBOR, 95, "nd_na && nd.tll == 0", "put_nd(inport, nd.target, eth.src); next;", answer);
  yield flow(uuid, LR_IN_LEARN_NEIGHBOR, 90, "arp", "put_arp(inport, arp.spa, arp.sha); next;", metered(uuid, "arp", read));
  yield flow(uuid, LR_IN_LEARN_NEIGHBOR, 90, "nd_na", "put_nd(inport, nd.target, nd.tll); next;", answer);
  yield flow(uuid, LR_IN_LEARN_NEIGHBOR, 90, "nd_ns", "put_nd(inport, ip6.src, nd.sll); next;", metered(uuid, "nd-ns", read));
});

export const requests = each("router/requests", nb.Logical_Router_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(routerPort, uuid);
  if (port === undefined) return;
  const always = port.routerOptions.get("always_learn_from_arp_request") !== "false";
  for (const { network, text } of port.address.ip4) {
    const base = `inport == ${port.json} && arp.spa == ${network}`;
    const find = "reg9[2] = lookup_arp(inport, arp.spa, arp.sha);";
    if (always) {
      yield flow(port.datapath, LR_IN_LOOKUP_NEIGHBOR, 100, `${base} && arp.op == 1`, `${find} next;`, { hint: uuid });
      continue;
    }
    yield flow(
      port.datapath,
      LR_IN_LOOKUP_NEIGHBOR,
      110,
      `${base} && arp.tpa == ${text} && arp.op == 1`,
      `${find} reg9[3] = 1; next;`,
      { hint: uuid },
    );
    yield flow(
      port.datapath,
      LR_IN_LOOKUP_NEIGHBOR,
      100,
      `${base} && arp.op == 1`,
      `${find} reg9[3] = lookup_arp_ip(inport, arp.spa); next;`,
      { hint: uuid },
    );
  }
});
