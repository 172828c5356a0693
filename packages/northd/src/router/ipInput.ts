/** What a router does with packets to itself: ARP, ND, ping, errors (ovn-northd(8), "IP Input"). */
import { each } from "@weft/incremental";
import { type Flow, flow } from "../flow.ts";
import { nb } from "../model/nb.ts";
import { type RouterPort, routerPort } from "../model/routerPort.ts";
import { LR_IN_IP_INPUT } from "../stages.ts";

/** "10.0.0.1", or "{10.0.0.1, 10.0.0.2}" of several. */
export function oneOf(texts: readonly string[]): string {
  return texts.length === 1 ? texts[0]! : `{${texts.join(", ")}}`;
}

export const ipInput = each("router/ipInput", nb.Logical_Router_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(routerPort, uuid);
  if (port === undefined) return;
  yield* ip4Input(port);
  yield* ip6Input(port);
});

function* ip4Input(port: RouterPort): Iterable<Flow> {
  const { datapath, json, address, uuid } = port;
  const own = { hint: uuid };
  const { ip4 } = address;
  if (ip4.length === 0) return;
  const spoofed = ip4.flatMap(({ text, broadcast }) => [text, broadcast]);
  yield flow(datapath, LR_IN_IP_INPUT, 100, `ip4.src == {${spoofed.join(", ")}} && reg9[0] == 0`, "drop;", own);
  for (const { text, network } of ip4) {
    yield flow(
      datapath,
      LR_IN_IP_INPUT,
      90,
      `inport == ${json} && arp.op == 1 && arp.tpa == ${text} && arp.spa == ${network}`,
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
  for (const text of texts) {
    const match = `ip4 && ip4.dst == ${text} && !ip.later_frag`;
    const unreachable = (code: number) => `icmp4 {${swap} ip.ttl = 255; icmp4.type = 3; icmp4.code = ${code}; next; };`;
    yield flow(datapath, LR_IN_IP_INPUT, 80, `${match} && udp`, unreachable(3), own);
    yield flow(datapath, LR_IN_IP_INPUT, 80, `${match} && tcp`, `tcp_reset {${swap} next; };`, own);
    yield flow(datapath, LR_IN_IP_INPUT, 80, `${match} && sctp`, `sctp_abort {${swap} next; };`, own);
    yield flow(datapath, LR_IN_IP_INPUT, 70, match, unreachable(2), own);
  }
  yield flow(datapath, LR_IN_IP_INPUT, 60, `ip4.dst == {${texts.join(", ")}}`, "drop;", own);
  const expired = (source: string) =>
    "icmp4 {eth.dst <-> eth.src; icmp4.type = 11; /* Time exceeded */ icmp4.code = 0; /* TTL exceeded in transit */ " +
    `ip4.dst = ip4.src; ip4.src = ${source}; ip.ttl = 254; outport = ${json}; flags.loopback = 1; output; };`;
  for (const { text, network } of ip4) {
    yield flow(
      datapath,
      LR_IN_IP_INPUT,
      31,
      `inport == ${json} && ip4 && ip4.src == ${network} && ip.ttl == {0, 1} && !ip.later_frag`,
      expired(`${text} `),
      own,
    );
  }
  yield flow(
    datapath,
    LR_IN_IP_INPUT,
    30,
    `inport == ${json} && ip4 && ip.ttl == {0, 1} && !ip.later_frag`,
    expired(texts[0]!),
    own,
  );
}

function* ip6Input(port: RouterPort): Iterable<Flow> {
  const { datapath, json, address, uuid } = port;
  const own = { hint: uuid };
  const { ip6 } = address;
  const texts = ip6.map(({ text }) => text);
  for (const { text, solicitedNode } of ip6) {
    yield flow(
      datapath,
      LR_IN_IP_INPUT,
      90,
      `inport == ${json} && ip6.dst == {${text}, ${solicitedNode}} && nd_ns && nd.target == ${text}`,
      "nd_na_router { eth.src = xreg0[0..47]; ip6.src = nd.target; nd.tll = xreg0[0..47]; outport = inport; " +
        "flags.loopback = 1; output; };",
      own,
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
  for (const text of texts) {
    const match = `ip6 && ip6.dst == ${text} && !ip.later_frag`;
    const unreachable = (code: number) => `icmp6 {${swap} ip.ttl = 255; icmp6.type = 1; icmp6.code = ${code}; next; };`;
    yield flow(datapath, LR_IN_IP_INPUT, 80, `${match} && udp`, unreachable(4), own);
    yield flow(datapath, LR_IN_IP_INPUT, 80, `${match} && tcp`, `tcp_reset {${swap} next; };`, own);
    yield flow(datapath, LR_IN_IP_INPUT, 80, `${match} && sctp`, `sctp_abort {${swap} next; };`, own);
    yield flow(datapath, LR_IN_IP_INPUT, 70, match, unreachable(3), own);
  }
  yield flow(datapath, LR_IN_IP_INPUT, 60, `ip6.dst == {${texts.join(", ")}}`, "drop;", own);
  const expired = (source: string) =>
    `icmp6 {eth.dst <-> eth.src; ip6.dst = ip6.src; ip6.src = ${source}; ip.ttl = 254; icmp6.type = 3; /* Time exceeded */ ` +
    `icmp6.code = 0; /* TTL exceeded in transit */ outport = ${json}; flags.loopback = 1; output; };`;
  for (const { text, network, implicit } of ip6) {
    if (implicit) continue;
    yield flow(
      datapath,
      LR_IN_IP_INPUT,
      31,
      `inport == ${json} && ip6 && ip6.src == ${network} && ip.ttl == {0, 1} && !ip.later_frag`,
      expired(`${text} `),
      own,
    );
  }
  yield flow(
    datapath,
    LR_IN_IP_INPUT,
    30,
    `inport == ${json} && ip6 && ip.ttl == {0, 1} && !ip.later_frag`,
    expired(texts[0]!),
    own,
  );
}

/** Multicast is relayed only where a router is asked to. */
export const multicastInput = each("router/multicastInput", nb.Logical_Router, function* (uuid, row): Iterable<Flow> {
  if (row.options.get("mcast_relay") !== "true") {
    yield flow(uuid, LR_IN_IP_INPUT, 82, "ip4.mcast || ip6.mcast", "drop;");
  }
});
