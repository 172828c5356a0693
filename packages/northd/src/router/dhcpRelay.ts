/** DHCP through a router to a server elsewhere (ovn-northd(8), "DHCP Relay Request", "DHCP Relay Response"). */
import { derive, each, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { parseIpv4 } from "@weft/packet";
import { type Flow, flow } from "../flow.ts";
import { switchConfig } from "../model/config.ts";
import { metered } from "../model/copp.ts";
import { nb, switches } from "../model/nb.ts";
import { attachedSwitchPort, routerPort } from "../model/routerPort.ts";
import { switchPort, switchPorts } from "../model/switchPort.ts";
import {
  LR_IN_DHCP_RELAY_REQ,
  LR_IN_DHCP_RELAY_RESP,
  LR_IN_DHCP_RELAY_RESP_CHK,
  LR_IN_IP_INPUT,
  LS_IN_L2_LKUP,
} from "../stages.ts";

/** The server and the relay's address of a router port; undefined where it does not relay. */
const relayOf = derive(
  "dhcpRelayOf",
  (uuid: Uuid, read): { readonly server: string; readonly relay: string } | undefined => {
    const port = read(routerPort, uuid);
    const id = read(nb.Logical_Router_Port, uuid)?.dhcp_relay;
    const server = id === undefined ? undefined : read(nb.DHCP_Relay, id)?.servers;
    // Only relays with one server are served.
    // The switch says that it has a relay; which of its ports that is, matters to its own flows only.
    const attached = port === undefined ? undefined : attachedSwitchPort(port, read);
    const datapath = attached === undefined ? undefined : read(switchPort, attached)?.datapath;
    if (datapath === undefined || !read(switchConfig, datapath).has("dhcp_relay_port")) return undefined;
    const relay = port?.address.ip4[0]?.text;
    if (relay === undefined || server === undefined || parseIpv4(server) === undefined) return undefined;
    return { server, relay };
  },
  { equals: sameContent },
);

const REQUEST = "ip4.src == 0.0.0.0 && ip4.dst == 255.255.255.255";
const FROM_CLIENT = "udp.src == 68 && udp.dst == 67";
const FROM_SERVER = "udp.src == 67 && udp.dst == 67";
const REQ = "/* DHCP_RELAY_REQ */";
const RESP = "/* DHCP_RELAY_RESP */";

/** reg9[7], reg9[8]: request and response are sound. reg2: the relay's address, while the packet has the client's. */
export const dhcpRelay = each("router/dhcpRelay", nb.Logical_Router_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(routerPort, uuid);
  const told = read(relayOf, uuid);
  if (port === undefined || told === undefined) return;
  const { datapath, json } = port;
  const { server, relay } = told;
  const own = { hint: uuid };
  const asked = { ...own, ...metered(datapath, "dhcpv4-relay", read) };
  const asking = `inport == ${json} && ${REQUEST}`;
  yield flow(
    datapath,
    LR_IN_IP_INPUT,
    110,
    `${asking} && ip.frag == 0 && ${FROM_CLIENT}`,
    `reg9[7] = dhcp_relay_req_chk(${relay}, ${server});next; ${REQ}`,
    asked,
  );
  const forward = `ip4.src = ${relay}; ip4.dst = ${server}; udp.src = 67; next; ${REQ}`;
  yield flow(datapath, LR_IN_DHCP_RELAY_REQ, 100, `${asking} && ${FROM_CLIENT} && reg9[7]`, forward, own);
  yield flow(datapath, LR_IN_DHCP_RELAY_REQ, 1, `${asking} && ${FROM_CLIENT} && reg9[7] == 0`, `drop; ${REQ}`, own);
  const answered = `ip4.src == ${server} && ip4.dst == ${relay}`;
  yield flow(datapath, LR_IN_IP_INPUT, 110, `${answered} && ip.frag == 0 && ${FROM_SERVER}`, `next; ${RESP}`, own);
  yield flow(
    datapath,
    LR_IN_DHCP_RELAY_RESP_CHK,
    100,
    `${answered} && ${FROM_SERVER}`,
    `reg2 = ip4.dst; reg9[8] = dhcp_relay_resp_chk(${relay}, ${server}); next; ${RESP}`,
    asked,
  );
  const checked = `ip4.src == ${server} && reg2 == ${relay} && ${FROM_SERVER}`;
  const back = `ip4.src = ${relay}; udp.dst = 68; outport = ${json}; output; ${RESP}`;
  yield flow(datapath, LR_IN_DHCP_RELAY_RESP, 100, `${checked} && reg9[8]`, back, own);
  yield flow(datapath, LR_IN_DHCP_RELAY_RESP, 1, `${checked} && reg9[8] == 0`, `drop; ${RESP}`, own);
});

/** Requests of a switch's ports go to the router port that relays. */
export const dhcpToRelay = each("switch/dhcpToRelay", switches, function* (uuid, row, read): Iterable<Flow> {
  const name = row.other_config.get("dhcp_relay_port");
  if (name === undefined) return;
  const ports = read(switchPorts, uuid);
  const towards = ports.find((port) => port.name === name);
  const peer = towards?.peer === undefined ? undefined : read(routerPort, towards.peer);
  if (towards === undefined || peer === undefined || read(relayOf, peer.uuid) === undefined) return;
  for (const { uuid: id } of ports) {
    const port = read(switchPort, id);
    const mac = port?.addresses[0]?.macText;
    if (port === undefined || port.type !== "" || mac === undefined) continue;
    yield flow(
      uuid,
      LS_IN_L2_LKUP,
      100,
      `inport == ${port.json} && eth.src == ${mac} && ${REQUEST} && ${FROM_CLIENT}`,
      `eth.dst = ${peer.address.macText}; outport = ${towards.json}; next; ${REQ}`,
      { hint: id, port: port.name },
    );
  }
});
