/** Answers to router solicitations, and to delegations of prefixes (ovn-northd(8), "IPv6 ND RA option processing"). */
import { each } from "@weft/incremental";
import { type Flow, flow, quoted } from "../flow.ts";
import { metered } from "../model/copp.ts";
import { nb } from "../model/nb.ts";
import { routerAdvertisement } from "../model/routerAdvertisement.ts";
import { routerPort } from "../model/routerPort.ts";
import { LR_IN_IP_INPUT, LR_IN_ND_RA_OPTIONS, LR_IN_ND_RA_RESPONSE } from "../stages.ts";

export const advertisements = each("router/advertisements", nb.Logical_Router_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(routerPort, uuid);
  const told = read(routerAdvertisement, uuid);
  if (port === undefined || told === undefined || told.prefixes.length === 0) return;
  const { datapath, json } = port;
  const mac = port.address.macText;
  const options = [`addr_mode = ${quoted(told.addressMode)}`, `slla = ${mac}`];
  if (told.mtu !== undefined) options.push(`mtu = ${told.mtu}`);
  if (told.preference !== undefined && told.preference !== "MEDIUM") {
    options.push(`router_preference = ${quoted(told.preference)}`);
  }
  if (told.rdnss !== undefined) options.push(`rdnss = ${told.rdnss}`);
  if (told.dnssl !== undefined) options.push(`dnssl = ${quoted(told.dnssl)}`);
  if (told.routeInfo !== undefined) options.push(`route_info = ${quoted(told.routeInfo)}`);
  for (const prefix of told.prefixes) options.push(`prefix = ${prefix}`);
  const asked = `inport == ${json} && ip6.dst == ff02::2`;
  const answer = `reg0[5] = put_nd_ra_opts(${options.join(", ")}); next;`;
  yield flow(datapath, LR_IN_ND_RA_OPTIONS, 50, `${asked} && nd_rs`, answer, {
    hint: uuid,
    ...metered(datapath, "nd-ra-opts", read),
  });
  yield flow(
    datapath,
    LR_IN_ND_RA_RESPONSE,
    50,
    `${asked} && nd_ra && reg0[5]`,
    `eth.dst = eth.src; eth.src = ${mac}; ip6.dst = ip6.src; ip6.src = ${told.linkLocal}; ` +
      "outport = inport; flags.loopback = 1; output;",
    { hint: uuid },
  );
});

export const delegation = each("router/delegation", nb.Logical_Router_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(routerPort, uuid);
  if (port?.options.get("prefix_delegation") !== "true") return;
  for (const { text } of port.address.ip6) {
    const match = `ip6.dst == ${text} && udp.src == 547 && udp.dst == 546`;
    yield flow(port.datapath, LR_IN_IP_INPUT, 100, match, "reg0 = 0; handle_dhcpv6_reply;", { hint: uuid });
  }
});
