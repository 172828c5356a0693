/** What a router does with packets to itself: ARP, ND, ping, errors (ovn-northd(8), "IP Input"). */
import { each } from "@weft/incremental";
import { type Flow, flow } from "../flow.ts";
import { addressKey, balancesEverywhere, isVip } from "../model/balancers.ts";
import { heardOf } from "../model/centralised.ts";
import { metered } from "../model/copp.ts";
import { snatAddresses } from "../model/nat.ts";
import { nb } from "../model/nb.ts";
import { gatewayPorts, type RouterPort, residence, routerPort } from "../model/routerPort.ts";
import { LR_IN_ARP_RESOLVE, LR_IN_IP_INPUT, type Stage } from "../stages.ts";
import { forceSnat } from "./loadBalancerSnat.ts";

/** "10.0.0.1", or "{10.0.0.1, 10.0.0.2}" of several. */
export function oneOf(texts: readonly string[]): string {
  return texts.length === 1 ? texts[0]! : `{${texts.join(", ")}}`;
}

export const ipInput = each("router/ipInput", nb.Logical_Router_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(routerPort, uuid);
  if (port === undefined) return;
  const translated = read(snatAddresses, port.datapath);
  const shared = (text: string) => translated.has(text) || read(isVip, addressKey(port.datapath, text));
  // Gateways take packets to their own addresses for translation.
  const refuses = port.gatewayChassis === undefined && read(gatewayPorts, port.datapath).length === 0;
  const answering = read(heardOf, uuid);
  const meters = {
    answer: metered(port.datapath, "nd-na", read),
    error: { 4: metered(port.datapath, "icmp4-error", read), 6: metered(port.datapath, "icmp6-error", read) },
    reset: metered(port.datapath, "tcp-reset", read),
  };
  yield* ip4Input(port, meters, refuses, answering);
  yield* ip6Input(port, meters, refuses, read(balancesEverywhere, port.datapath) ? "" : residence(port));
  // Where replies to what was balanced come to the router's own addresses, these are not refused before.
  const spared = read(forceSnat, port.datapath) === "router_ip";
  for (const family of [4, 6] as const) {
    const texts = port.address[`ip${family}`].map(({ text }) => text);
    yield* ownTraffic(port, family, spared ? texts.filter(shared) : texts, shared);
  }
});

type Metered = ReturnType<typeof metered>;

interface Meters {
  readonly answer: Metered;
  readonly error: Readonly<Record<4 | 6, Metered>>;
  readonly reset: Metered;
}

/** Addresses of an error to a host on the link: a gateway port answers as whom the packet was sent to, as NAT may have given it that address. */
function sourced(port: RouterPort, family: 4 | 6, text: string): string {
  if (port.isGateway) return `ip${family}.dst <-> ip${family}.src `;
  return `ip${family}.dst = ip${family}.src; ip${family}.src = ${text} `;
}

/** What is sent to the router itself and was not answered is dropped: where NAT or a load balancer shares the address, only after them. */
function* ownTraffic(
  port: RouterPort,
  family: 4 | 6,
  texts: readonly string[],
  shared: (text: string) => boolean,
): Iterable<Flow> {
  const drop = (stage: Stage, priority: number, addresses: readonly string[]) =>
    flow(port.datapath, stage, priority, `ip${family}.dst == {${addresses.join(", ")}}`, "drop;", { hint: port.uuid });
  const [own, translated] = [texts.filter((text) => !shared(text)), texts.filter(shared)];
  if (own.length > 0) yield drop(LR_IN_IP_INPUT, 60, own);
  if (translated.length > 0) yield drop(LR_IN_ARP_RESOLVE, 2, translated);
}

/** `answering`: on which chassis requests are answered; where nobody outside can hear it, on all. */
function* ip4Input(port: RouterPort, meters: Meters, refuses: boolean, answering: string): Iterable<Flow> {
  const { datapath, json, address, uuid } = port;
  const own = { hint: uuid };
  const error = { ...own, ...meters.error[4] };
  const reset = { ...own, ...meters.reset };
  const { ip4 } = address;
  if (ip4.length === 0) return;
  const spoofed = ip4.flatMap(({ text, broadcast }) => [text, broadcast]);
  yield flow(datapath, LR_IN_IP_INPUT, 100, `ip4.src == {${spoofed.join(", ")}} && reg9[0] == 0`, "drop;", own);
  for (const { text, network } of ip4) {
    yield flow(
      datapath,
      LR_IN_IP_INPUT,
      90,
      `inport == ${json} && arp.op == 1 && arp.tpa == ${text} && arp.spa == ${network}${answering}`,
      "eth.dst = eth.src; eth.src = xreg0[0..47]; arp.op = 2; /* ARP reply */ arp.tha = arp.sha; " +
        "arp.sha = xreg0[0..47]; arp.tpa <-> arp.spa; outport = inport; flags.loopback = 1; output;",
      own,
    );
  }
  const texts = ip4.map(({ text }) => text);
  yield flow(
    datapath,
    LR_IN_IP_INPUT,
    90,
    `ip4.dst == ${oneOf(texts)} && icmp4.type == 8 && icmp4.code == 0`,
    "ip4.dst <-> ip4.src; ip.ttl = 255; icmp4.type = 0; flags.loopback = 1; next; ",
    own,
  );
  const swap = "eth.dst <-> eth.src; ip4.dst <-> ip4.src;";
  for (const text of refuses ? texts : []) {
    const match = `ip4 && ip4.dst == ${text} && !ip.later_frag`;
    const unreachable = (code: number) => `icmp4 {${swap} ip.ttl = 255; icmp4.type = 3; icmp4.code = ${code}; next; };`;
    yield flow(datapath, LR_IN_IP_INPUT, 80, `${match} && udp`, unreachable(3), error);
    yield flow(datapath, LR_IN_IP_INPUT, 80, `${match} && tcp`, `tcp_reset {${swap} next; };`, reset);
    yield flow(datapath, LR_IN_IP_INPUT, 80, `${match} && sctp`, `sctp_abort {${swap} next; };`, reset);
    yield flow(datapath, LR_IN_IP_INPUT, 70, match, unreachable(2), error);
  }
  const expired = (addresses: string) =>
    "icmp4 {eth.dst <-> eth.src; icmp4.type = 11; /* Time exceeded */ icmp4.code = 0; /* TTL exceeded in transit */ " +
    `${addresses}; ip.ttl = 254; outport = ${json}; flags.loopback = 1; output; };`;
  for (const { text, network } of ip4) {
    yield flow(
      datapath,
      LR_IN_IP_INPUT,
      31,
      `inport == ${json} && ip4 && ip4.src == ${network} && ip.ttl == {0, 1} && !ip.later_frag`,
      expired(sourced(port, 4, text)),
      error,
    );
  }
  yield flow(
    datapath,
    LR_IN_IP_INPUT,
    30,
    `inport == ${json} && ip4 && ip.ttl == {0, 1} && !ip.later_frag`,
    expired(`ip4.dst = ip4.src; ip4.src = ${texts[0]!}`),
    error,
  );
}

function* ip6Input(port: RouterPort, meters: Meters, refuses: boolean, answering: string): Iterable<Flow> {
  const { datapath, json, address, uuid } = port;
  const own = { hint: uuid };
  const error = { ...own, ...meters.error[6] };
  const reset = { ...own, ...meters.reset };
  const { ip6 } = address;
  const texts = ip6.map(({ text }) => text);
  for (const { text, solicitedNode } of ip6) {
    yield flow(
      datapath,
      LR_IN_IP_INPUT,
      90,
      `inport == ${json} && ip6.dst == {${text}, ${solicitedNode}} && nd_ns && nd.target == ${text}${answering}`,
      "nd_na_router { eth.src = xreg0[0..47]; ip6.src = nd.target; nd.tll = xreg0[0..47]; outport = inport; " +
        "flags.loopback = 1; output; };",
      { ...own, ...meters.answer },
    );
  }
  yield flow(
    datapath,
    LR_IN_IP_INPUT,
    90,
    `ip6.dst == ${oneOf(texts)} && icmp6.type == 128 && icmp6.code == 0`,
    "ip6.dst <-> ip6.src; ip.ttl = 255; icmp6.type = 129; flags.loopback = 1; next; ",
    own,
  );
  const swap = "eth.dst <-> eth.src; ip6.dst <-> ip6.src;";
  for (const text of refuses ? texts : []) {
    const match = `ip6 && ip6.dst == ${text} && !ip.later_frag`;
    const unreachable = (code: number) => `icmp6 {${swap} ip.ttl = 255; icmp6.type = 1; icmp6.code = ${code}; next; };`;
    yield flow(datapath, LR_IN_IP_INPUT, 80, `${match} && udp`, unreachable(4), error);
    yield flow(datapath, LR_IN_IP_INPUT, 80, `${match} && tcp`, `tcp_reset {${swap} next; };`, reset);
    yield flow(datapath, LR_IN_IP_INPUT, 80, `${match} && sctp`, `sctp_abort {${swap} next; };`, reset);
    yield flow(datapath, LR_IN_IP_INPUT, 70, match, unreachable(3), error);
  }
  const expired = (addresses: string) =>
    `icmp6 {eth.dst <-> eth.src; ${addresses}; ip.ttl = 254; icmp6.type = 3; /* Time exceeded */ ` +
    `icmp6.code = 0; /* TTL exceeded in transit */ outport = ${json}; flags.loopback = 1; output; };`;
  for (const { text, network, implicit } of ip6) {
    if (implicit) continue;
    yield flow(
      datapath,
      LR_IN_IP_INPUT,
      31,
      `inport == ${json} && ip6 && ip6.src == ${network} && ip.ttl == {0, 1} && !ip.later_frag`,
      expired(sourced(port, 6, text)),
      error,
    );
  }
  yield flow(
    datapath,
    LR_IN_IP_INPUT,
    30,
    `inport == ${json} && ip6 && ip.ttl == {0, 1} && !ip.later_frag`,
    expired(`ip6.dst = ip6.src; ip6.src = ${texts[0]!}`),
    error,
  );
}
