import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { field } from "../field/lookup.ts";
import { formatActions, PRINTED_TYPES, parseActions } from "./actions.ts";
import { TextError } from "./error.ts";
import { formatFlow, formatFlowStats, parseFlow, parseFlowMod } from "./flow.ts";
import { parseGroupMod } from "./group.ts";
import { formatMatch, parseMatch } from "./match.ts";
import { parseMeterMod } from "./meter.ts";
import { namesOf } from "./names.ts";
import { parsePacketOut } from "./packetOut.ts";

const lines = (name: string) =>
  readFileSync(new URL(`../../testdata/${name}`, import.meta.url), "utf8")
    .trimEnd()
    .split("\n");

describe("matches", () => {
  test.each([
    ["tcp,nw_src=10.0.0.0/255.255.255.0,tcp_dst=80", "tcp,nw_src=10.0.0.0/24,tp_dst=80"],
    ["dl_type=0x0800,nw_proto=17", "udp"],
    ["dl_vlan=5,dl_vlan_pcp=3", "dl_vlan=5,dl_vlan_pcp=3"],
    ["vlan_tci=0x1000/0x1000", "vlan_tci=0x1000/0x1000"],
    ["ct_state=+trk-new,ip", "ct_state=-new+trk,ip"],
    ["icmp6,icmp_type=135,icmp_code=0,nd_target=fe80::1", "icmp6,icmp_type=135,icmp_code=0,nd_target=fe80::1"],
    ["tun_id=0x5/0xff,tun_flags=+oam", "tun_id=0x5/0xff,tun_flags=+oam"],
    ["reg0=0x1/0xf,xreg4=0x5", "reg0=0x1/0xf,reg8=0,reg9=0x5"],
    ["in_port=LOCAL,metadata=0x7", "metadata=0x7,in_port=LOCAL"],
    ["ip,nw_frag=not_later,nw_tos=16", "ip,nw_tos=16,nw_frag=not_later"],
    ["tcp,tcp_flags=+syn-ack", "tcp,tcp_flags=+syn-ack"],
    ["", ""],
  ])("%s", (text, printed) => {
    expect(formatMatch(parseMatch(text))).toBe(printed);
  });

  test("take and show names of ports", () => {
    const names = namesOf([[3, "p1"]], []);
    expect(formatMatch(parseMatch("in_port=p1", names))).toBe("in_port=3");
    expect(formatMatch(parseMatch("in_port=3"), names)).toBe("in_port=p1");
  });

  test.each([
    ["nw_src=1.2.3", /invalid IP address/],
    ["reg99=1", /unknown/],
    ["reg0=", /missing|value/],
    ["tcp,tcp_dst=70000", /value/],
  ])("refuses %s", (text, message) => {
    expect(() => parseMatch(text)).toThrow(TextError);
    expect(() => parseMatch(text)).toThrow(message);
  });
});

describe("actions", () => {
  test.each([
    ["drop", "drop"],
    ["output:1,2,LOCAL,normal", "output:1,output:2,LOCAL,NORMAL"],
    ["resubmit(,5),resubmit:3,resubmit(1,2,ct)", "resubmit(,5),resubmit:3,resubmit(1,2,ct)"],
    ["load:0x5->NXM_NX_REG0[0..7]", "load:0x5->NXM_NX_REG0[0..7]"],
    ["set_field:1.2.3.4->ip_src", "set_field:1.2.3.4->ip_src"],
    ["ct(commit,zone=NXM_NX_REG13[0..15],nat(src=1.2.3.4),exec(set_field:1->ct_mark))", undefined],
    ["controller(max_len=100,userdata=01.02,pause)", undefined],
    ["clone(push_vlan:0x8100,output:1)", undefined],
  ])("%s", (text, printed) => {
    const again = formatActions(parseActions(text));
    if (printed !== undefined) expect(again).toBe(printed);
    expect(formatActions(parseActions(again))).toBe(again);
  });

  test("become a union by type", () => {
    expect(parseActions("load:0x5->NXM_NX_REG0[0..7],group:3")).toEqual([
      { type: "load", value: 5n, dst: { field: field("reg0"), offset: 0, bits: 8 } },
      { type: "group", group: 3 },
    ]);
  });

  test("have a printer for every type that a corpus of text comes to", () => {
    const types = new Set<string>();
    for (const line of lines("flows.txt")) for (const a of parseFlowMod(line, "add").actions) types.add(a.type);
    for (const type of types) expect(PRINTED_TYPES).toContain(type);
    // And that corpus has all but few of the types.
    expect(PRINTED_TYPES.filter((type) => !types.has(type))).toEqual(["nat", "pop"]);
  });

  test("have no instructions within them", () => {
    expect(() => parseActions("clone(goto_table:5)")).toThrow("goto_table instruction not allowed here");
    expect(() => parseActions("ct(exec(output:1))")).toThrow("ct action doesn't support nested action output");
    expect(() => parseActions("goto_table:5", undefined, "list")).toThrow("not allowed here");
  });
});

describe("flows", () => {
  test("print as dump-flows prints them", () => {
    const flow = parseFlow("cookie=0x5, table=3, priority=7,tcp,tp_dst=80 actions=drop");
    expect(formatFlow(flow)).toBe("cookie=0x5, table=3, priority=7,tcp,tp_dst=80 actions=drop");
    const stats = { durationSec: 3, durationNsec: 500_000_000, packets: 1n, bytes: 60n, idleAge: 2, hardAge: -1 };
    expect(formatFlowStats({ ...flow, ...stats })).toBe(
      "cookie=0x5, duration=3.500s, table=3, n_packets=1, n_bytes=60, idle_age=2, priority=7,tcp,tp_dst=80 actions=drop",
    );
  });

  test("of OVN survive parsing and printing letter by letter", () => {
    for (const line of lines("ovn-flows.txt")) {
      const flow = { ...parseFlow(line), durationSec: 0, durationNsec: 0, idleAge: -1, hardAge: -1, packets: 0n, bytes: 0n };
      expect(formatFlowStats(flow, { stats: false })).toBe(line);
    }
  });

  test("are modified or deleted by cookie", () => {
    expect(parseFlowMod("cookie=5/-1,tcp", "delete")).toMatchObject({ cookie: 5n, cookieMask: 0xffffffffffffffffn });
  });

  test("say where the text is wrong", () => {
    expect(() => parseFlowMod("tcp actions=output:1,foo", "add")).toThrow("unknown action foo");
    expect(() => parseFlowMod("tcp", "add")).toThrow("must specify an action");
  });
});

describe("any text", () => {
  // One field is printed under a name that is not taken, as the reference does.
  const corpus = [
    ...lines("flows.txt").filter((line) => !line.includes("gtpu")),
    "group_id=1,type=select,bucket=weight:5,output:1",
    "meter=1,kbps,bands=type=drop,rate=5",
  ];
  const mutated = fc
    .tuple(fc.constantFrom(...corpus), fc.nat(), fc.nat(4), fc.string({ maxLength: 4 }))
    .map(([text, at, cut, piece]) => {
      const i = at % (text.length + 1);
      return text.slice(0, i) + piece + text.slice(i + cut);
    });
  const parsers: readonly ((text: string) => unknown)[] = [
    (text) => parseFlowMod(text, "add"),
    (text) => parseFlowMod(text, "delete_strict"),
    (text) => parseActions(text),
    (text) => parseMatch(text),
    (text) => parseFlow(text),
    (text) => parseGroupMod(text, "add"),
    (text) => parseMeterMod(text, "add"),
    (text) => parsePacketOut(text),
  ];

  test("parses, or is refused with a TextError", () => {
    fc.assert(
      fc.property(fc.oneof(mutated, mutated, fc.string()), fc.constantFrom(...parsers), (text, parse) => {
        try {
          parse(text);
        } catch (error) {
          if (!(error instanceof TextError)) throw error;
        }
      }),
      { numRuns: 3000 },
    );
  });

  test("that parses prints as text that means the same", () => {
    fc.assert(
      fc.property(mutated, (text) => {
        let flow: ReturnType<typeof parseFlowMod>;
        try {
          flow = parseFlowMod(text, "add");
        } catch (error) {
          if (error instanceof TextError) return;
          throw error;
        }
        const match = formatMatch(flow.match);
        expect(formatMatch(parseMatch(match))).toBe(match);
        // Printing leaves no difference that a second printing would show.
        const actions = formatActions(flow.actions);
        if (!actions.includes("dec_ttl()")) expect(formatActions(parseActions(actions))).toBe(actions);
      }),
      { numRuns: 3000 },
    );
  });
});
