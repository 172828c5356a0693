import { formatMatch } from "@weft/openflow";
import { expect, test } from "vitest";
import { compileMatch } from "./compile.ts";
import { parseMatch } from "./parse.ts";
import { translated } from "./translate.ts";

function flows(text: string): string[] {
  const template = compileMatch(translated(parseMatch(text).expression), {});
  return template.instantiate({ datapath: 1, lookupPort: () => 1, conjunctionId: 1 }).map(({ match }) => formatMatch(match));
}

test("ports and protocols of TCP, UDP and SCTP are those of the connection", () => {
  expect(flows("tcp.dst == 80")).toEqual(["ct_state=-inv+trk,ct_nw_proto=6,ct_tp_dst=80,metadata=0x1"]);
  expect(flows("udp")).toEqual(["ct_state=-inv+trk,ct_nw_proto=17,metadata=0x1"]);
  expect(flows("icmp4.type == 8")).toEqual(["icmp,metadata=0x1,icmp_type=8"]);
});

test("TCP flags are those of the packet", () => {
  expect(flows("ip4 && tcp.flags == 2 && tcp.dst == 5")).toEqual([
    "ct_state=-inv+trk,ct_nw_proto=6,ct_tp_dst=5,tcp,metadata=0x1,tcp_flags=syn",
  ]);
});
