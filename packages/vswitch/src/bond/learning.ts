/**
 * Frames by which the switches beyond a bond learn that it sends by another member now: reverse ARP (RFC 903) requests from the
 * addresses that are behind the bridge's other ports.
 */
import { OFPP } from "@weft/openflow";
import { ARP_OPERATION, emit, IPV4_ZERO, MAC_BROADCAST, type Mac, macOf } from "@weft/packet";
import type { Datapath } from "../datapath/datapath.ts";
import { WORD } from "../flow/key.ts";
import type { Bundle } from "../ofproto/port.ts";
import { outputTags, type Tags } from "../xlate/vlan.ts";

const RARP = 0x8035;

function learningFrame(mac: Mac, bundle: Bundle, vlan: number): Uint8Array {
  const inside: Tags = [
    { tpid: vlan === 0 ? 0 : 0x8100, vid: vlan, pcp: 0 },
    { tpid: 0, vid: 0, pcp: 0 },
  ];
  const [{ vid: id, tpid }] = outputTags(bundle, inside);
  return emit([
    { kind: "ethernet", dst: MAC_BROADCAST, src: mac, ...(id === 0 ? { etherType: RARP } : {}) },
    ...(id === 0 ? [] : [{ kind: "vlan" as const, tpid, id, etherType: RARP }]),
    {
      kind: "arp",
      operation: ARP_OPERATION.reverseRequest,
      senderMac: mac,
      senderIp: IPV4_ZERO,
      targetMac: mac,
      targetIp: IPV4_ZERO,
    },
  ]);
}

/** Sends one for each address that the bridge has learned elsewhere. */
export function sendLearning(datapath: Datapath, bundle: Bundle): void {
  const { bridge, bond } = bundle;
  // With a partner every member sends, and without one none does.
  if (bond === undefined || bond.mode === "balance-tcp") return;
  for (const { mac, vlan, port } of [...bridge.macs.entries()]) {
    if (port === bundle) continue;
    const out = bond.mode === "balance-slb" ? bond.portOf(bond.slotOf(mac, vlan)) : bond.active;
    if (out === undefined) continue;
    datapath.runActions(bridge, learningFrame(macOf(mac), bundle, vlan), [{ type: "output", port: out.ofport }], (key) => {
      key[WORD.in_port] = OFPP.NONE;
    });
  }
}
