import { formatActions as formatOpenflow } from "@weft/openflow";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LogicalError } from "../error.ts";
import { actions as corpus } from "../interop/actions.ts";
import { wrongActions } from "../interop/wrongActions.ts";
import { encodeActions, encodeEverywhere } from "./encode.ts";
import type { EncodeOptions } from "./encodeParts.ts";
import { formatActions } from "./format.ts";
import { type GroupRequest, groupKey } from "./groups.ts";
import { type ParseActionsOptions, parseActions } from "./parse.ts";
import type { LogicalAction } from "./types.ts";

const DHCP = new Map([
  ["offerip", { code: 0, type: "ipv4" }],
  ["router", { code: 3, type: "ipv4" }],
  ["bootfile_name", { code: 67, type: "str" }],
]);
const options: ParseActionsOptions = { pipeline: "ingress", table: 0, dhcpOption: (name) => DHCP.get(name) };

function encode(text: string, more: Partial<EncodeOptions> = {}): string {
  const { actions } = parseActions(text, options);
  return formatOpenflow(
    encodeActions(actions, {
      pipeline: "ingress",
      isSwitch: true,
      datapath: 1,
      cookie: 0x12345678,
      lookupPort: (name) => ({ lsp1: 1, lsp2: 2 })[name],
      group: () => 9,
      ...more,
    }),
  );
}

/** Undefined for actions that do not parse. */
function parsed(text: string): readonly LogicalAction[] | undefined {
  try {
    return parseActions(text, options).actions;
  } catch (error) {
    if (error instanceof LogicalError) return undefined;
    throw error;
  }
}

describe("encoding", () => {
  test.each([
    ["drop;", "drop"],
    ["next;", "resubmit(,9)"],
    ["next(pipeline=egress, table=3);", "resubmit(,51)"],
    ['outport = "lsp2"; output;', "set_field:0x2->reg15,resubmit(,42)"],
    ['outport = "nowhere"; output;', "set_field:0->reg15,resubmit(,42)"],
    ["eth.src[40] = 1;", "set_field:01:00:00:00:00:00/01:00:00:00:00:00->eth_src"],
    ["reg0[0..7] = ip.ttl;", "move:NXM_NX_IP_TTL[]->NXM_NX_XXREG0[96..103]"],
    ["ct_next;", "ct(table=9,zone=NXM_NX_REG13[0..15])"],
    ["ct_commit { ct_mark.blocked = 1; };", "ct(commit,zone=NXM_NX_REG13[0..15],nat(src),exec(set_field:0x1/0x1->ct_mark))"],
    ["ct_snat(10.0.0.1, 100-200);", "ct(commit,table=9,zone=NXM_NX_REG12[0..15],nat(src=10.0.0.1:100-200,random))"],
    ["ct_lb_mark(backends=10.0.0.1:80);", "group:9"],
    ["icmp4 { output; };", "controller(userdata=00.00.00.0a.00.00.00.00.ff.ff.00.10.00.00.23.20.00.0e.ff.f8.2a.00.00.00)"],
    ["put_arp(inport, reg5, eth.src);", undefined],
    [
      'reg0[1] = put_dhcp_opts(router=10.0.0.1, offerip=10.0.0.2, bootfile_name="b");',
      "controller(userdata=00.00.00.02.00.00.00.00.00.01.de.10.00.00.00.61.0a.00.00.02.43.01.62.03.04.0a.00.00.01,pause)",
    ],
  ])("%s", (text, expected) => {
    if (expected === undefined) expect(encode(text)).toContain("controller(userdata=00.00.00.01.00.00.00.00)");
    else expect(encode(text)).toBe(expected);
  });

  test("load balancers are groups; equal ones have equal keys", () => {
    const requests: GroupRequest[] = [];
    const group = (request: GroupRequest): number => requests.push(request);
    encode('ct_lb_mark(backends=10.0.0.1:80,10.0.0.2:80; hash_fields="ip_src,ip_dst");', { group });
    encode('ct_lb_mark(backends=10.0.0.1:80,10.0.0.2:80; hash_fields="ip_dst,ip_src");', { group });
    encode("ct_lb_mark(backends=10.0.0.1:80,10.0.0.3:80);", { group });
    const keys = requests.map(groupKey);
    expect(keys[0]).toBe(keys[1]);
    expect(keys[0]).not.toBe(keys[2]);
    expect(requests[0]!.buckets.map(({ weight }) => weight)).toEqual([100, 100]);
  });

  test("what is encoded for all flows at once is what it is on every datapath", () => {
    const common = { pipeline: "ingress", meter: () => 1, wire: () => new Uint8Array([1]) } as const;
    const everyOptions: EncodeOptions[] = [
      { ...common, isSwitch: true, datapath: 1, cookie: 1, lookupPort: () => 1, group: () => 1 },
      { ...common, isSwitch: false, datapath: 2, cookie: 2, lookupPort: () => 2, group: () => 2, controllerMeter: "meter" },
    ];
    let everywhere = 0;
    for (const [, , text] of corpus) {
      const actions = parsed(text);
      const encoded = actions === undefined ? undefined : encodeEverywhere(actions, "ingress");
      if (actions === undefined || encoded === undefined) continue;
      everywhere++;
      for (const one of everyOptions) expect(encoded, text).toEqual(encodeActions(actions, one));
    }
    expect(everywhere).toBeGreaterThan(20);
    for (const text of ["arp { output; };", "ct_next;", 'outport = "lsp1";', "igmp;", "ct_lb_mark(backends=10.0.0.1:80);"])
      expect(encodeEverywhere(parsed(text)!, "ingress"), text).toBeUndefined();
  });

  test("without a group allocator a load balancer fails loudly", () => {
    const { actions } = parseActions("ct_lb_mark(backends=10.0.0.1:80);", options);
    const bare: EncodeOptions = { pipeline: "ingress", isSwitch: true, datapath: 1, cookie: 1, lookupPort: () => undefined };
    expect(() => encodeActions(actions, bare)).toThrow(LogicalError);
  });
});

describe("prerequisites", () => {
  test.each([
    ["tcp.dst = 80;", ["tcp"]],
    ["ip.ttl--;", ["ip"]],
    ["ct_next;", ["ip"]],
    ["clone { ip4.src = 10.0.0.1; };", ["ip4"]],
    ["icmp4 { icmp4.type = 3; };", ["ip4"]],
    ["reg0 = ip6.src[0..31];", ["ip6"]],
    ["reg0[0] = dns_lookup();", ["udp"]],
    ["next;", []],
  ])("%s", (text, expected) => {
    expect(parseActions(text, options).prerequisites).toEqual(expected);
  });
});

describe("errors say what and where", () => {
  test.each([
    ["foo;", "Syntax error at `foo' expecting action.", 0],
    ["reg0 = 1; bar;", "Syntax error at `bar' expecting action.", 10],
    ["next", "Syntax error at end of input expecting `;'.", 4],
    ["next(34);", '"next" action cannot advance beyond table 34.', 8],
    ["eth.type = 1;", "Field eth.type is not modifiable.", 0],
    ["ip4 = 1;", "Predicate symbol ip4 used where lvalue required.", 0],
    ["reg0 = reg1[0..3];", "Can't assign 4-bit value to 32-bit destination.", 0],
    ["get_arp(inport, eth.src);", "Cannot use 48-bit field eth.src[0..47] where 32-bit field is required.", 16],
    ["clone { next; ", "Syntax error at end of input.", 14],
  ])("%s", (text, message, offset) => {
    try {
      parseActions(text, options);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ message, offset, text });
    }
  });

  test("nesting is bounded", () => {
    expect(() => parseActions("clone { ".repeat(300), options)).toThrow("Actions nested too deeply.");
  });
});

test("printed actions parse back to the same actions", () => {
  for (const [, , text] of corpus) {
    let first: string;
    try {
      first = formatActions(parseActions(text, options).actions);
    } catch (error) {
      if (error instanceof LogicalError) continue;
      throw error;
    }
    expect(formatActions(parseActions(first, options).actions), text).toBe(first);
  }
});

test("mutated actions give an error with its place, and never anything else", () => {
  const texts = [...corpus.map(([, , text]) => text), ...wrongActions.map(([, text]) => text)];
  const mutated = fc
    .tuple(
      fc.constantFrom(...texts),
      fc.nat(120),
      fc.nat(8),
      fc.oneof(fc.string({ maxLength: 4 }), fc.constantFrom("{", "};", "(", "reg0[", "= ", "next; ")),
    )
    .map(([text, at, count, insert]) => text.slice(0, at) + insert + text.slice(at + count));
  fc.assert(
    fc.property(mutated, (text) => {
      try {
        const { actions } = parseActions(text, options);
        encode(formatActions(actions));
      } catch (error) {
        expect(error, text).toBeInstanceOf(LogicalError);
        const { offset } = error as LogicalError;
        return offset >= 0;
      }
      return true;
    }),
    { numRuns: 3000 },
  );
});
