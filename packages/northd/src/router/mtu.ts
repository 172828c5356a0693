/** Packets that are too long for what is behind a port are answered with an error (ovn-nb(5), gateway_mtu). */
import { each, type Read } from "@weft/incremental";
import { type Flow, type FlowOptions, flow } from "../flow.ts";
import { tagged } from "../model/centralised.ts";
import { chassisFeature } from "../model/chassis.ts";
import { metered } from "../model/copp.ts";
import { nats } from "../model/nat.ts";
import { nb } from "../model/nb.ts";
import { type RouterPort, routerPort, routerPorts } from "../model/routerPort.ts";
import { LR_IN_ADMISSION, LR_IN_CHK_PKT_LEN, LR_IN_IP_INPUT, LR_IN_LARGER_PKTS, LR_OUT_POST_SNAT } from "../stages.ts";

const ETHERNET_HEADER = 14;
const VLAN_TAG = 4;

/** The MTU of a port in bytes, if it has one. */
function mtuOf({ options }: RouterPort): number | undefined {
  const mtu = Number(options.get("gateway_mtu"));
  return Number.isInteger(mtu) && mtu > 0 ? mtu : undefined;
}

/** What is not checked for its length. */
function bypass({ options }: RouterPort): string {
  const more = options.get("gateway_mtu_bypass");
  return more === undefined ? "(arp)" : `(arp || ${more})`;
}

/** reg9[1]: longer than the MTU. */
function check(port: RouterPort, mtu: number, read: Read): string {
  return `reg9[1] = check_pkt_larger(${mtu + ETHERNET_HEADER + (read(tagged, port.uuid) ? VLAN_TAG : 0)}); `;
}

/** Lets frames in by a port: those that are too long are marked. */
export function* admit(port: RouterPort, match: string, options: FlowOptions, read: Read): Iterable<Flow> {
  const mtu = mtuOf(port);
  const keep = `xreg0[0..47] = ${port.address.macText}; next;`;
  yield flow(port.datapath, LR_IN_ADMISSION, 50, match, `${mtu === undefined ? "" : check(port, mtu, read)}${keep}`, options);
  if (mtu !== undefined) yield flow(port.datapath, LR_IN_ADMISSION, 55, `${match} && ${bypass(port)}`, keep, options);
}

export const largePackets = each("router/largePackets", nb.Logical_Router_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(routerPort, uuid);
  const mtu = port === undefined ? undefined : mtuOf(port);
  if (port === undefined || mtu === undefined) return;
  const { datapath, json } = port;
  const own = { hint: uuid };
  const saves = read(chassisFeature, "ct_state_save");
  const save = saves ? "reg4[0..7] = ct_state_save(); next;" : "next;";
  yield flow(datapath, LR_IN_CHK_PKT_LEN, 50, `outport == ${json}`, `${check(port, mtu, read)}${save}`, own);
  yield flow(datapath, LR_IN_CHK_PKT_LEN, 55, `outport == ${json} && ${bypass(port)}`, save, own);
  yield* tooBig(port, port, false, `inport == ${json}`, mtu, read);
  for (const from of read(routerPorts, datapath)) {
    if (from !== port) yield* tooBig(port, from, saves, `inport == ${from.json} && outport == ${json}`, mtu, read);
  }
  // The error is about a packet whose source was translated: so is that of the packet inside it.
  yield flow(datapath, LR_OUT_POST_SNAT, 100, "icmp && flags.icmp_snat == 1", "ct_commit_nat(snat);");
  for (const { distributed, gateway, family, external, uuid: hint } of read(nats, datapath).rules) {
    if (distributed === undefined || gateway !== port) continue;
    const match = `inport == ${json} && reg9[1] && reg9[0] == 0 && ip${family} && ip${family}.dst == ${external}`;
    const back = `eth.dst = eth.src; eth.src = ${distributed.mac}; ${addressed(family, external)} ip.ttl = 254;`;
    const actions = `${error(family, "", back, mtu)} outport = ${json}; flags.loopback = 1; output; };`;
    yield flow(datapath, LR_IN_IP_INPUT, 160, match, actions, { hint, ...metered(datapath, `icmp${family}-error`, read) });
  }
});

/** An error from a port's own address, which goes through the router from the start; where source addresses are translated, back too. */
function* tooBig(port: RouterPort, from: RouterPort, saves: boolean, where: string, mtu: number, read: Read): Iterable<Flow> {
  const { ip4, ip6, macText } = from.address;
  for (const [family, address] of [
    [4, ip4[0]],
    [6, ip6[0]],
  ] as const) {
    if (address === undefined) continue;
    const match = `${where} && ip${family} && reg9[1] && reg9[0] == 0`;
    const back = `eth.dst = ${macText}; ${addressed(family, address.text)} ip.ttl = 255;`;
    const make = (mark: string) => `${error(family, mark, back, mtu)} next(pipeline=ingress, table=0); };`;
    const own = { hint: port.uuid, ...metered(port.datapath, `icmp${family}-error`, read) };
    yield flow(port.datapath, from === port ? LR_IN_IP_INPUT : LR_IN_LARGER_PKTS, 150, match, make(""), own);
    if (from === port) continue;
    // A reply whose destination was translated. Where it can be saved, the state is that of before the routing.
    const translated = `${match} && ${saves ? "reg4[5] && reg4[3] && reg4[7]" : "ct.trk && ct.rpl && ct.dnat"}`;
    yield flow(port.datapath, LR_IN_LARGER_PKTS, 160, translated, make("flags.icmp_snat = 1; "), own);
  }
}

function addressed(family: 4 | 6, source: string): string {
  return `ip${family}.dst = ip${family}.src; ip${family}.src = ${source};`;
}

function error(family: 4 | 6, mark: string, back: string, mtu: number): string {
  const kind =
    family === 4
      ? "icmp4.type = 3; /* Destination Unreachable. */ icmp4.code = 4; /* Frag Needed and DF was Set. */ icmp4.frag_mtu"
      : "icmp6.type = 2; /* Packet Too Big. */ icmp6.code = 0; icmp6.frag_mtu";
  return `icmp${family}_error {${mark}reg9[0] = 1; reg9[1] = 0; ${back} ${kind} = ${mtu};`;
}
