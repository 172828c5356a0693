/**
 * A port that is also on another chassis may wait here until its guest shows itself (ovn-sb(5), Port_Binding:options
 * activation-strategy): until then nothing goes in or out but that (table 0 and 65).
 */
import { each, type Read } from "@weft/incremental";
import { OPCODES } from "@weft/logical";
import type { Action } from "@weft/openflow";
import type { Uuid } from "@weft/ovsdb";
import { linkLocalOfMac } from "@weft/packet";
import { parsePortAddresses } from "../model/addresses.ts";
import { attachmentOf, claimOf } from "../model/binding.ts";
import { config } from "../model/config.ts";
import { sb } from "../model/inputs.ts";
import { reg, tables as t } from "../tables.ts";
import { type DesiredFlow, flow, type MatchSpec, resubmit } from "./flow.ts";
import { ingressMetadata } from "./ingress.ts";
import { datapathKey, type Port } from "./port.ts";

const WAITING = 1000;
const SHOWING = 1010;
const ETHERTYPE_ARP = 0x806;
const ETHERTYPE_RARP = 0x8035;
const ETHERTYPE_IPV6 = 0x86dd;
const ICMPV6 = 58;
const ADVERTISEMENT = 136;

/** Whether a port has to wait on this chassis. */
function isWaiting(read: Read, row: Port): boolean {
  if ((row.options.get("activation-strategy") ?? "") === "" || read(claimOf, row._uuid) !== "additional") return false;
  const name = read(config, 0)?.chassis ?? "";
  return !(row.options.get("additional-chassis-activated") ?? "").split(",").includes(name);
}

/** What shows that the guest is here. */
function* shows(row: Port): Iterable<MatchSpec> {
  const strategies = row.options.get("activation-strategy")!.split(",");
  if (strategies.includes("rarp")) yield { eth_type: ETHERTYPE_RARP };
  for (const addresses of row.mac.map(parsePortAddresses)) {
    if (addresses === undefined) continue;
    const { mac, ipv4, ipv6 } = addresses;
    if (strategies.includes("garp")) {
      for (const { address } of ipv4)
        yield { eth_type: ETHERTYPE_ARP, eth_src: mac, arp_spa: address, arp_tpa: address, arp_sha: mac };
    }
    if (strategies.includes("na")) {
      for (const address of [linkLocalOfMac(mac), ...ipv6.map((one) => one.address)])
        yield {
          eth_type: ETHERTYPE_IPV6,
          nw_proto: ICMPV6,
          ipv6_src: address,
          icmpv6_type: ADVERTISEMENT,
          icmpv6_code: 0,
          nd_target: address,
          nd_tll: mac,
        };
    }
  }
}

/** Tells the controller. */
function telling(): Action {
  const userdata = new Uint8Array(8);
  userdata[3] = OPCODES.activation_strategy;
  return { type: "controller", maxLen: 0xffff, reason: "action", controllerId: 0, userdata, pause: false, meter: undefined };
}

export const activation = each<DesiredFlow, Uuid, Port>("activation", sb.Port_Binding, function* (uuid, row, read) {
  const at = read(attachmentOf, uuid);
  const key = datapathKey(read, row);
  if (at === undefined || key === undefined || at.kind !== "vif" || !isWaiting(read, row)) return;
  const in_port = at.ofport;
  const actions = [...ingressMetadata(read, row, key, at), telling(), resubmit(t.logIngress)];
  for (const match of shows(row))
    yield flow({ table: t.physToLog, priority: SHOWING, match: { in_port, ...match }, actions, from: uuid });
  yield flow({ table: t.physToLog, priority: WAITING, match: { in_port }, actions: [], from: uuid });
  const out = { metadata: key, [reg.outport]: row.tunnel_key };
  yield flow({ table: t.logToPhys, priority: WAITING, match: out, actions: [], from: uuid });
});
