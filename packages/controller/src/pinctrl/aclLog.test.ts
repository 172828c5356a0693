import { emit, parseIpv4, parseMac } from "@weft/packet";
import { expect, test } from "vitest";
import { aclLogLine } from "./aclLog.ts";

const frame = emit([
  { kind: "ethernet", dst: parseMac("50:54:00:00:00:fe")!, src: parseMac("50:54:00:00:00:01")! },
  { kind: "ipv4", src: parseIpv4("10.0.0.1")!, dst: parseIpv4("10.0.0.254")! },
  { kind: "sctp", srcPort: 5, dstPort: 6, tag: 1, chunks: [] },
]);
const packet =
  "sctp,vlan_tci=0x0000,dl_src=50:54:00:00:00:01,dl_dst=50:54:00:00:00:fe,nw_src=10.0.0.1,nw_dst=10.0.0.254,nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=no,tp_src=5,tp_dst=6";

test("the line has name, verdict, severity, direction and the packet", () => {
  expect(aclLogLine(Uint8Array.of(1, 6, 0x7a), 53, frame)).toBe(
    `name="z", verdict=drop, severity=info, direction=to-lport: ${packet}`,
  );
  expect(aclLogLine(Uint8Array.of(2, 1), 17, frame)).toBe(
    `name="<unnamed>", verdict=reject, severity=alert, direction=from-lport: ${packet}`,
  );
});
