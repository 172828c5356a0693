/** Answers ARP and ND for ports whose addresses are known (ovn-northd(8), "ARP/ND responder"). */
import { each } from "@weft/incremental";
import { formatIpv6, parseIpv4, parseIpv6, solicitedNodeOf } from "@weft/packet";
import { type Flow, flow, quoted } from "../flow.ts";
import { arpProxy, hasArpProxy } from "../model/arpProxy.ts";
import { metered } from "../model/copp.ts";
import { globals } from "../model/globals.ts";
import { nb, portUp } from "../model/nb.ts";
import { routerPort } from "../model/routerPort.ts";
import { type SwitchPort, switchPort, switchPorts, vlanPassthru } from "../model/switchPort.ts";
import { LS_IN_ARP_RSP } from "../stages.ts";

export function arpReply(mac: string, ip: string): string {
  return (
    `eth.dst = eth.src; eth.src = ${mac}; arp.op = 2; /* ARP reply */ arp.tha = arp.sha; arp.sha = ${mac}; ` +
    `arp.tpa = arp.spa; arp.spa = ${ip}; outport = inport; flags.loopback = 1; output;`
  );
}

export const arpResponder = each("switch/arpResponder", nb.Logical_Switch_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(switchPort, uuid);
  if (port === undefined) return;
  const { datapath, json, name, type } = port;
  const own = { hint: uuid, port: name };
  const proxied = read(hasArpProxy, datapath);
  if (type === "localnet") {
    if (!proxied) yield flow(datapath, LS_IN_ARP_RSP, 100, `inport == ${json}`, "next;", own);
    return;
  }
  if (type === "virtual") {
    yield* virtualParents(port, read(switchPorts, datapath));
    return;
  }
  if (type === "external" || type === "switch" || port.unknown || port.options.get("disable_arp_nd_rsp") === "true") return;
  if (read(vlanPassthru, datapath)) return;
  const always = type === "router" || type === "localport";
  if (!always && !read(globals, "").ignoreLspDown && read(portUp, uuid) !== true) return;
  for (const { macText, ip4, ip6 } of port.addresses) {
    for (const { text } of ip4) {
      const match = `arp.tpa == ${text} && arp.op == 1 && eth.dst == ff:ff:ff:ff:ff:ff`;
      yield flow(datapath, LS_IN_ARP_RSP, 50, match, arpReply(macText, text), { hint: uuid });
      yield flow(datapath, LS_IN_ARP_RSP, 100, `${match} && inport == ${json}`, "next;", own);
      const direct = `arp.tpa == ${text} && arp.op == 1 && eth.dst == ${macText}`;
      if (proxied) yield flow(datapath, LS_IN_ARP_RSP, 50, direct, "next;", { hint: uuid });
    }
    for (const { text, solicitedNode } of ip6) {
      const match = `nd_ns_mcast && ip6.dst == ${solicitedNode} && nd.target == ${text}`;
      const answer = type === "router" ? "nd_na_router" : "nd_na";
      yield flow(
        datapath,
        LS_IN_ARP_RSP,
        50,
        match,
        `${answer} { eth.src = ${macText}; ip6.src = ${text}; nd.target = ${text}; nd.tll = ${macText}; ` +
          "outport = inport; flags.loopback = 1; output; };",
        { hint: uuid, ...metered(datapath, "nd-na", read) },
      );
      yield flow(datapath, LS_IN_ARP_RSP, 100, `${match} && inport == ${json}`, "next;", own);
      const direct = `nd_ns && ip6.dst == ${text} && nd.target == ${text}`;
      if (proxied) yield flow(datapath, LS_IN_ARP_RSP, 50, direct, "next;", { hint: uuid });
    }
  }
});

/** A router answers for the addresses that it is a proxy for, unless a router asks (reg0[18]). */
export const proxyResponder = each("switch/proxyResponder", nb.Logical_Switch_Port, function* (uuid, _row, read): Iterable<Flow> {
  const proxy = read(arpProxy, uuid);
  const port = proxy === undefined ? undefined : read(switchPort, uuid);
  const peer = port?.peer === undefined ? undefined : read(routerPort, port.peer);
  if (proxy === undefined || port === undefined || peer === undefined) return;
  const { datapath } = port;
  const mac = proxy.mac ?? peer.address.macText;
  if (proxy.ip4.length > 0) {
    const match = `reg0[18] == 0 && arp.op == 1 && arp.tpa == {${proxy.ip4.join(",")}}`;
    const actions =
      `eth.dst = eth.src; eth.src = ${mac}; arp.op = 2; /* ARP reply */ arp.tha = arp.sha; arp.sha = ${mac}; ` +
      "arp.tpa <-> arp.spa; outport = inport; flags.loopback = 1; output;";
    yield flow(datapath, LS_IN_ARP_RSP, 30, match, actions, { hint: uuid });
  }
  if (proxy.ip6.length === 0) return;
  const asked = proxy.ip6.flatMap(({ text, solicitedNode }) => [text, solicitedNode]);
  const targets = proxy.ip6.map(({ text }) => text);
  yield flow(
    datapath,
    LS_IN_ARP_RSP,
    30,
    `reg0[18] == 0 && nd_ns && ip6.dst == { ${asked.join(", ")} } && nd.target == { ${targets.join(", ")} }`,
    `nd_na_router { eth.src = ${mac}; ip6.src = nd.target; nd.target = nd.target; nd.tll = ${mac}; outport = inport; ` +
      "flags.loopback = 1; output; };",
    { hint: uuid, ...metered(datapath, "nd-na", read) },
  );
});

/** A virtual address belongs to the parent that announces it. */
function* virtualParents(port: SwitchPort, siblings: readonly SwitchPort[]): Iterable<Flow> {
  const ip = port.options.get("virtual-ip");
  const parents = port.options.get("virtual-parents");
  if (ip === undefined || parents === undefined) return;
  const ip6 = parseIpv6(ip);
  const node = ip6 === undefined ? undefined : formatIpv6(solicitedNodeOf(ip6));
  if (node === undefined && parseIpv4(ip) === undefined) return;
  for (const name of new Set(parents.split(",").filter(Boolean))) {
    const sibling = siblings.find((other) => other.name === name);
    if (sibling === undefined) continue;
    const parent = quoted(name);
    const match = node
      ? `inport == ${parent} && ((nd_ns && ip6.dst == {${ip}, ${node}} && nd.target == ${ip}) ||(nd_na && nd.target == ${ip}))`
      : `inport == ${parent} && ((arp.op == 1 && arp.spa == ${ip} && arp.tpa == ${ip}) || (arp.op == 2 && arp.spa == ${ip}))`;
    yield flow(port.datapath, LS_IN_ARP_RSP, 100, match, `bind_vport(${port.json}, inport); next;`, {
      hint: sibling.uuid,
      port: name,
    });
  }
}
