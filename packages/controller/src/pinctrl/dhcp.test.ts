/** The answers are those that ovn-controller 26.03 sent for the same packets, before the pipeline turned them round. */
import {
  type Dhcp,
  decode,
  emit,
  find,
  fromHex,
  type Header,
  ipv4Of,
  MAC_BROADCAST,
  parseIpv4,
  parseMac,
  toHex,
} from "@weft/packet";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ipPacketOf } from "./answers.ts";
import { dhcpAnswer } from "./dhcp.ts";
import { udpPayload } from "./udp.ts";

const clientMac = parseMac("50:54:00:00:00:01")!;
const OFFERED = parseIpv4("10.0.0.1")!;
const OPTIONS = "0608080808080707070733040000 0e10 0104ffffff00 3604 0a0000fe".replaceAll(" ", "");
const OPERANDS = fromHex(`0a000001${OPTIONS}`)!;
const END = "00000000ff00000000";
const ADDRESS = { code: 50, data: fromHex("0a000001")! };

function ask(type: number, changes: Partial<Dhcp> = {}, ...options: { code: number; data: Uint8Array }[]): Uint8Array {
  const message: Header = {
    kind: "dhcp",
    op: 1,
    xid: 0x1234,
    clientMac,
    options: [{ code: 53, data: Uint8Array.of(type) }, ...options],
    ...changes,
  };
  return emit([
    { kind: "ethernet", dst: MAC_BROADCAST, src: clientMac },
    { kind: "ipv4", src: ipv4Of(0), dst: ipv4Of(0xffffffff) },
    { kind: "udp", srcPort: 68, dstPort: 67 },
    message,
  ]);
}

function answer(frame: Uint8Array, operands = OPERANDS) {
  const found = dhcpAnswer(ipPacketOf(frame)!, operands);
  const layers = found?.packet === undefined ? [] : decode(found.packet);
  const bytes = found?.packet === undefined ? undefined : udpPayload(ipPacketOf(found.packet)!);
  return {
    ...found,
    ip: find(layers, "ipv4"),
    udp: find(layers, "udp"),
    dhcp: find(layers, "dhcp"),
    options: bytes === undefined ? undefined : toHex(bytes.subarray(240)),
  };
}

test("an offer keeps the ports, for the pipeline, and has the flow's address and options", () => {
  const { ip, udp, dhcp, options, notes } = answer(ask(1));
  expect(ip).toMatchObject({ src: 0, dst: OFFERED });
  expect(udp).toMatchObject({ srcPort: 68, dstPort: 67, checksum: 0 });
  expect(dhcp).toMatchObject({ op: 2, xid: 0x1234, yourIp: OFFERED });
  expect(options).toBe(`350102${OPTIONS}${END}`);
  expect(notes).toEqual(["DHCPOFFER 50:54:00:00:00:01 10.0.0.1"]);
});

test("a request is acknowledged if it asks for the flow's address, by option or as the one it has", () => {
  expect(answer(ask(3, {}, ADDRESS)).options).toBe(`350105${OPTIONS}${END}`);
  expect(answer(ask(3, { clientIp: OFFERED })).options).toBe(`350105${OPTIONS}${END}`);
  const refused = answer(ask(3, {}, { code: 50, data: fromHex("0a000063")! }));
  expect(refused.options).toBe(`350106${END}`);
  expect(refused.dhcp).toMatchObject({ yourIp: 0 });
  expect(refused.warning).toBe("DHCPREQUEST requested IP 10.0.0.99 does not match offer 10.0.0.1");
});

test("a client that cannot hear its address yet is answered by broadcast", () => {
  expect(answer(ask(1, { flags: 0x8000 })).ip).toMatchObject({ dst: 0xffffffff });
});

test("who only asks for information is told nothing of a lease", () => {
  const { options, dhcp, notes } = answer(ask(8, { clientIp: OFFERED }));
  expect(options).toBe(`350105060808080808070707073604${"0a0000fe"}${END}`);
  expect(dhcp).toMatchObject({ yourIp: 0 });
  expect(notes).toEqual(["DHCPINFORM from 50:54:00:00:00:01 0.0.0.0", "DHCPACK 50:54:00:00:00:01 10.0.0.1"]);
});

test("a refusal names no next server; a message of another kind is reported", () => {
  const operands = fromHex("0a000001fd040a000009")!;
  expect(answer(ask(3), operands).dhcp).toMatchObject({ serverIp: 0 });
  expect(answer(ask(9))).toMatchObject({ packet: undefined, warning: "Invalid DHCP message type: 9" });
});

test("release and decline are not answered", () => {
  expect(answer(ask(7))).toMatchObject({ packet: undefined, notes: ["DHCPRELEASE 50:54:00:00:00:01 10.0.0.1"] });
  expect(answer(ask(4))).toMatchObject({ packet: undefined, notes: ["DHCPDECLINE from 50:54:00:00:00:01, 10.0.0.1 duplicated"] });
});

test("the boot file is the one for iPXE or the other one; the next server is in the header too", () => {
  const operands = fromHex("0a000001" + "430161" + "fe0162" + "fd040a000009")!;
  expect(answer(ask(1), operands).options).toBe(`350102430162fd040a000009${END}`);
  expect(answer(ask(1, {}, { code: 175, data: Uint8Array.of(1) }), operands).options).toBe(`350102430161fd040a000009${END}`);
  expect(answer(ask(1), operands).dhcp).toMatchObject({ serverIp: parseIpv4("10.0.0.9") });
});

test("property: no packet and no operands make it throw", () => {
  const frame = ask(1);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(frame.length - 1), fc.nat(255)), { maxLength: 6 }),
      fc.nat(frame.length),
      fc.uint8Array({ maxLength: 12 }),
      (changes, length, operands) => {
        const changed = frame.slice(0, length);
        for (const [at, byte] of changes) if (at < length) changed[at] = byte;
        const packet = ipPacketOf(changed);
        if (packet !== undefined) dhcpAnswer(packet, operands);
      },
    ),
  );
});
