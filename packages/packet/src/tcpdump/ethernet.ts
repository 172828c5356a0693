/** Ethernet, VLAN tags, LLC with SNAP, spanning tree, as tcpdump prints them. */
import { get16 } from "../bytes.ts";
import { STP_TYPE } from "../wire/stp.ts";
import { printArp } from "./arp.ts";
import { printIpv4 } from "./ipv4.ts";
import { printIpv6 } from "./ipv6.ts";
import { printLldp } from "./lldp.ts";
import { ETHERTYPE_NAMES, ouiName } from "./names.ts";
import { bitNames, hexAsciiLines, type Text } from "./text.ts";

const VLAN_TYPES = new Set([0x8100, 0x88a8, 0x9100, 0x9200]);
const MAX_ETHERNET_LENGTH = 1500;

/** Prints a frame of `length` bytes on the wire at `start`; `link`: with its header. */
export function printEthernet(t: Text, start: number, length: number, link = t.link): void {
  t.protocol = "ether";
  if (!t.has(start, 14)) {
    t.put(" [|ether]");
    if (t.depth === 0) t.header = t.bytes.length;
    return;
  }
  if (link && VLAN_TYPES.has(get16(t.bytes, start + 12)) && !t.has(start + 14, 4)) {
    t.put(`${t.mac(start + 6)} > ${t.mac(start)},  [|vlan]`);
    return;
  }
  if (link) putHeader(t, start, start + 12, length);
  let at = start + 12;
  let rest = length - 14;
  let type = t.u16(at);
  at += 2;
  let tagged = false;
  if (t.depth === 0) t.header = 14;
  while (VLAN_TYPES.has(type)) {
    t.protocol = "vlan";
    if (!t.has(at, 4)) {
      t.put(" [|vlan]");
      return;
    }
    if (t.link) t.put(`${tagInfo(t.u16(at))}, `);
    type = t.u16(at + 2);
    if (VLAN_TYPES.has(type) && !t.has(at + 4, 4)) {
      t.put(" [|vlan]");
      return;
    }
    if (t.link && type > MAX_ETHERNET_LENGTH) t.put(`${typeText(t, type)}, `);
    at += 4;
    rest -= 4;
    if (t.depth === 0) t.header += 4;
    tagged = true;
  }
  if (type <= MAX_ETHERNET_LENGTH) {
    const inside = Math.min(type, rest);
    t.within(at + inside, () => {
      if (!printLlc(t, at, inside)) {
        if (!link && t.has(at, 8) && t.u24(at) === 0xaaaa03)
          t.put(`${t.mac(start + 6)} > ${t.mac(start)} SNAP, ${snapText(t.u24(at + 3), t.u16(at + 6), inside)}`);
        if (t.dump && (!t.quiet || inside < 3 || !t.has(at, 3))) t.put(hexAsciiLines(t.bytes, at, t.end, "\t"));
      }
    });
    return;
  }
  if (printEtherType(t, type, at, rest)) return;
  if (!link) {
    if (!tagged) putHeader(t, start, start + 12, length);
    else {
      t.put(`${t.mac(start + 6)} > ${t.mac(start)}, ${typeText(t, type)}, length ${length}: `);
    }
  }
  if (t.dump && !t.quiet) t.put(hexAsciiLines(t.bytes, at, Math.min(t.end, at + rest), "\t"));
}

function hex4(value: number): string {
  return value.toString(16).padStart(4, "0");
}

function putHeader(t: Text, start: number, typeAt: number, length: number): void {
  const type = get16(t.bytes, typeAt);
  t.put(`${t.mac(start + 6)} > ${t.mac(start)}`);
  if (type <= MAX_ETHERNET_LENGTH) {
    t.put(`, 802.3, length ${Math.min(type, Math.max(length - 14, 0))}: `);
    return;
  }
  t.put(`, ${typeText(t, type)}, length ${length}: `);
}

function typeText(t: Text, type: number): string {
  if (t.quiet) return ETHERTYPE_NAMES.get(type) ?? `Unknown Ethertype (0x${hex4(type)})`;
  return `ethertype ${ETHERTYPE_NAMES.get(type) ?? "Unknown"} (0x${hex4(type)})`;
}

function tagInfo(tci: number): string {
  return `vlan ${tci & 0xfff}, p ${tci >>> 13}${tci & 0x1000 ? ", DEI" : ""}`;
}

/** Prints what an EtherType announces; false where there is no printer for it. */
export function printEtherType(t: Text, type: number, at: number, length: number): boolean {
  switch (type) {
    case 0x0800:
      printIpv4(t, at, length);
      return true;
    case 0x86dd:
      printIpv6(t, at, length);
      return true;
    case 0x0806:
    case 0x8035:
      printArp(t, at, length);
      return true;
    case 0x88cc:
      printLldp(t, at, length);
      return true;
    default:
      return false;
  }
}

const SAPS = new Map<number, string>([
  [0x00, "Null"],
  [0x02, "802.1B I"],
  [0x03, "802.1B G"],
  [0x06, "IP"],
  [0x0e, "ProWay NM"],
  [0x42, "STP"],
  [0x4e, "RS511"],
  [0x7e, "ISO8208"],
  [0x8e, "ProWay"],
  [0xaa, "SNAP"],
  [0xe0, "IPX"],
  [0xf0, "NetBeui"],
  [0xfe, "OSI"],
  [0xff, "Global"],
]);

const sapName = (sap: number): string => SAPS.get(sap) ?? "Unknown";

/** Prints an LLC frame; false where its payload has no printer. */
function printLlc(t: Text, start: number, length: number): boolean {
  t.protocol = "llc";
  if (!t.has(start, 3)) {
    t.put(" [|llc]");
    return false;
  }
  const dsap = t.u8(start);
  const ssap = t.u8(start + 1);
  const unnumbered = (t.u8(start + 2) & 3) === 3;
  const control = unnumbered ? t.u8(start + 2) : t.u8(start + 2) | (t.u8(start + 3) << 8);
  if (t.depth === 0) t.header += unnumbered ? 3 : 4;
  if (dsap === 0xaa && ssap === 0xaa && control === 3) return printSnap(t, start, length);
  if (t.link) {
    const group = dsap & 1 ? "Group" : "Individual";
    const role = ssap & 1 ? "Response" : "Command";
    t.put(`LLC, dsap ${sapName(dsap & 0xfe)} (0x${(dsap & 0xfe).toString(16).padStart(2, "0")}) ${group}, `);
    t.put(`ssap ${sapName(ssap & 0xfe)} (0x${(ssap & 0xfe).toString(16).padStart(2, "0")}) ${role}, `);
    t.put(unnumbered ? `ctrl 0x${control.toString(16).padStart(2, "0")}` : `ctrl 0x${hex4(control)}`);
    t.put(": ");
  }
  if (dsap === 0x42 && ssap === 0x42 && control === 3) {
    printStp(t, start + 3, length - 3);
    return true;
  }
  if (!t.link) {
    const src = t.mac(start - 8);
    const dst = t.mac(start - 14);
    if (ssap === dsap) t.put(`${src} > ${dst} ${sapName(ssap)} `);
    else
      t.put(
        `${src} ${sapName(ssap & 0xfe)} > ${dst} ${SAPS.get(dsap & 0xfe) ?? `Unknown DSAP 0x${(dsap & 0xfe).toString(16).padStart(2, "0")}`} `,
      );
  }
  const response = (ssap & 1) !== 0;
  const final = (control & (unnumbered ? 0x10 : 0x100)) !== 0;
  const flags = final ? (response ? "Final" : "Poll") : response ? "Response" : "Command";
  const sequence = (control >> 9) & 0x7f;
  if (unnumbered) {
    const name = UNNUMBERED.get(control & 0xef) ?? (control & 0xef).toString(16).padStart(2, "0");
    t.put(`Unnumbered, ${name}, Flags [${flags}], length ${length}`);
  } else if ((control & 1) === 0) {
    t.put(`Information, send seq ${(control >> 1) & 0x7f}, rcv seq ${sequence}, Flags [${flags}], length ${length}`);
  } else {
    const kind = ["Receiver Ready", "Receiver not Ready", "Reject"][(control >> 2) & 3] ?? "?";
    t.put(`Supervisory, ${kind}, rcv seq ${sequence}, Flags [${flags}], length ${length}`);
  }
  return false;
}

const UNNUMBERED = new Map([
  [0x03, "ui"],
  [0x6f, "sabme"],
  [0x43, "disc"],
  [0x63, "ua"],
  [0x0f, "dm"],
  [0x87, "frmr"],
  [0xaf, "xid"],
  [0xe3, "test"],
]);

function printSnap(t: Text, start: number, length: number): boolean {
  t.protocol = "snap";
  if (t.link) t.put("LLC, dsap SNAP (0xaa) Individual, ssap SNAP (0xaa) Command, ctrl 0x03: ");
  if (!t.has(start, 8)) {
    t.put(" [|snap]");
    return true;
  }
  if (t.depth === 0) t.header += 5;
  const oui = t.u24(start + 3);
  const pid = t.u16(start + 6);
  if (t.link) {
    t.put(snapText(oui, pid, length));
  }
  if (oui === 0 || oui === 0x0000f8) {
    if (printEtherType(t, pid, start + 8, length - 8)) return true;
  }
  return false;
}

function snapText(oui: number, pid: number, length: number): string {
  const name = oui === 0 || oui === 0x0000f8 ? ETHERTYPE_NAMES.get(pid) : oui === 0x00000c && pid === 0x2000 ? "CDP" : undefined;
  const label = oui === 0 ? "ethertype" : "pid";
  return `oui ${ouiName(oui)} (0x${oui.toString(16).padStart(6, "0")}), ${label} ${name ?? "Unknown"} (0x${hex4(pid)}), length ${length - 8}: `;
}

const STP_FLAGS = [
  [0x01, "Topology change"],
  [0x02, "Proposal"],
  [0x10, "Learn"],
  [0x20, "Forward"],
  [0x40, "Agreement"],
  [0x80, "Topology change ACK"],
] as const;
const STP_VERSIONS = new Map<number, string>([
  [0, "802.1d"],
  [2, "802.1w"],
  [3, "802.1s"],
  [4, "802.1aq"],
]);
const RAPID_ROLES = ["Unknown", "Alternate", "Root", "Designated"];

function bridgeId(t: Text, at: number): string {
  return `${t.hex(at, 2)}.${t.plainMac(at + 2)}`;
}

const seconds = (value: number): string => (value / 256).toFixed(2);

function printStp(t: Text, start: number, length: number): void {
  t.protocol = "stp";
  if (length < 4) {
    t.invalid();
    return;
  }
  if (t.has(start, 3) && !STP_VERSIONS.has(t.u8(start + 2))) {
    t.put(`unknown STP version, length ${length}`);
    return;
  }
  if (t.u16(start) !== 0) {
    t.put(`unknown STP protocol (0x${hex4(t.u16(start))})`);
    return;
  }
  t.put(
    `STP ${
      STP_VERSIONS.get(t.u8(start + 2)) ??
      `Unknown STP protocol (0x${t
        .u8(start + 2)
        .toString(16)
        .padStart(2, "0")})`
    }`,
  );
  const type = t.u8(start + 3);
  if (type === STP_TYPE.topologyChange) {
    t.put(", Topology Change");
    return;
  }
  if (type !== STP_TYPE.config && type !== STP_TYPE.rapid) return;
  const rapid = type === STP_TYPE.rapid;
  t.put(`, ${rapid ? "Rapid STP" : "Config"}`);
  if (length < 35) {
    t.invalid();
    return;
  }
  const flags = t.u8(start + 4);
  t.put(`, Flags [${bitNames(flags, STP_FLAGS)}]`);
  t.put(`, bridge-id ${bridgeId(t, start + 17)}.${t.hex(start + 25, 2)}, length ${length}`);
  if (t.verbose === 0) return;
  t.need(start, 35);
  t.put(`\n\tmessage-age ${seconds(t.u16(start + 27))}s, max-age ${seconds(t.u16(start + 29))}s`);
  t.put(`, hello-time ${seconds(t.u16(start + 31))}s, forwarding-delay ${seconds(t.u16(start + 33))}s`);
  t.put(`\n\troot-id ${bridgeId(t, start + 5)}, root-pathcost ${t.u32(start + 13)}`);
  if (rapid) t.put(`, port-role ${RAPID_ROLES[(flags & 0x0c) >> 2]}`);
}
