import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { emit } from "../emit.ts";
import { LINK_TYPE } from "../pcap/packet.ts";
import { EXAMPLES } from "../testing/examples.ts";
import { FilterError } from "./error.ts";
import { compileFilter } from "./filter.ts";

const FRAMES = Object.entries(EXAMPLES).map(([name, headers]) => ({ name, frame: emit(headers) }));

/** The names of the example packets that a filter lets through. */
function matches(filter: string): string[] {
  const accept = compileFilter(filter);
  return FRAMES.filter(({ frame }) => accept(frame)).map(({ name }) => name);
}

describe("primitives", () => {
  test.each<[string, string[]]>([
    ["arp and not vlan", ["arpRequest", "arpReply", "arpGratuitous"]],
    ["rarp", ["rarp"]],
    ["icmp[icmptype] = icmp-echo and ip[8] = 1", ["pingEcn"]],
    ["ip6[40] = 136", ["ndAdvertisement"]],
    ["icmp6[icmp6type] == icmp6-routersolicit", ["ndRouterSolicitation"]],
    ["tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn|tcp-ack", ["tcpSynAck", "tcpEverything"]],
    ["udp[10:2] = 0x6558", ["geneveOvn", "geneveNoOptions"]],
    ["udp[(8 + (4 * (2 + (udp[8:1] & 0x3f))) + 12):2] = 0x0800 and udp dst port 6081", ["geneveOvn", "geneveNoOptions"]],
    ["port 53 or 67", ["dhcpDiscover", "dhcpOffer", "dnsQuery", "dnsResponse", "dnsNoSuchName"]],
    ["udp portrange 545-547", ["dhcpv6Solicit", "dhcpv6Reply"]],
    ["ether proto 0x88cc", ["lldp"]],
    ["stp", ["stp"]],
    ["ip6 protochain 17 and not ip6 proto 17", ["udpBehindOptions6"]],
    ["igmp and dst net 224.0.0.0/24 and not ip multicast", []],
    ["sctp src port 1000 and ip6", ["sctpCookie"]],
    ["greater 349", ["dhcpOffer"]],
    ["ether src 0a:00:00:00:00:01 and ether dst ff:ff:ff:ff:ff:ff and udp", ["dhcpDiscover"]],
  ])("%s", (filter, names) => expect(matches(filter)).toEqual(names));
});

describe("vlan and tunnels move what follows them", () => {
  test.each<[string, string[]]>([
    ["vlan", ["vlanPing", "qinqPing", "vlanArp"]],
    ["vlan 30", ["vlanArp"]],
    ["vlan and arp", ["vlanArp"]],
    ["vlan 200 and vlan 100 and icmp", ["qinqPing"]],
    ["icmp and host 10.0.0.1 and vlan", []],
    ["geneve 3 and icmp", ["geneveOvn", "geneve6"]],
    ["geneve and host 10.0.0.5", ["geneveOvn", "geneveNoOptions", "geneve6"]],
    ["geneve and ether src 0a:00:00:00:01:01 and not geneve", ["geneveOvn", "geneveNoOptions", "geneve6"]],
    ["vxlan 42 and icmp", ["vxlan"]],
  ])("%s", (filter, names) => expect(matches(filter)).toEqual(names));
});

describe("inner, beyond pcap-filter", () => {
  const tunnels = ["geneveOvn", "geneveNoOptions", "geneve6", "vxlan"];
  test.each<[string, string[]]>([
    ["inner icmp", tunnels],
    ["inner icmp and inner host 10.0.0.5", tunnels],
    ["inner (icmp and src host 10.0.0.5) and ip6", ["geneve6"]],
    ["inner tcp", []],
    ["udp port 6081 and not inner arp", ["geneveOvn", "geneveNoOptions", "geneve6"]],
    ["inner ether dst 0a:00:00:00:01:02 and host 192.168.50.101", ["geneveOvn", "geneveNoOptions", "vxlan"]],
  ])("%s", (filter, names) => expect(matches(filter)).toEqual(names));

  test("sees through an outer VLAN tag", () => {
    const [outer, ...rest] = EXAMPLES.geneveOvn!;
    const accept = compileFilter("inner icmp");
    expect(accept(emit([outer!, { kind: "vlan", id: 7 }, ...rest]))).toBe(true);
  });
});

test("and, or have one precedence; identifiers inherit qualifiers", () => {
  expect(matches("host 10.0.0.1 and arp or udp port 53 and src 10.0.0.2")).toEqual(
    matches("((host 10.0.0.1 and arp) or udp port 53) and src 10.0.0.2"),
  );
  expect(matches("port (53 or 67)")).toEqual(matches("port 53 or port 67"));
});

test("raw IP", () => {
  const accept = compileFilter("icmp and host 10.0.0.2");
  expect(accept(emit(EXAMPLES.ping!).subarray(14), 84, LINK_TYPE.raw)).toBe(true);
});

test("a load from behind the bytes rejects the packet", () => {
  expect(matches("not ether[3000] = 1")).toEqual([]);
});

describe("errors name what and where", () => {
  test.each<[string, string, number]>([
    ["tcp and and", "syntax error", 8],
    ["host", "syntax error", 4],
    ["(tcp", "syntax error", 4],
    ["ether host 10.0.0.1", "illegal link layer address", 11],
    ["net 10.0.0.1/24", 'non-network bits set in "10.0.0.1/24"', 4],
    ["tcp host 10.0.0.1", "'tcp' modifier applied to host", 9],
    ["ip[0:3] = 1", "data size must be 1, 2, or 4", 0],
    ["host vm1", "unknown host 'vm1'", 5],
    ["tcp & 5", "syntax error", 4],
    ["vlan 5000", "VLAN tag 5000 greater than maximum 4095", 0],
    ["len / 0 = 1", "division by zero", 4],
    ["tcp @ udp", "illegal char '@'", 4],
  ])("%s", (filter, message, offset) => {
    let caught: unknown;
    try {
      compileFilter(filter);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(FilterError);
    expect(caught).toMatchObject({ message, place: { offset } });
  });
});

describe("any text and bytes", () => {
  const piece = fc.constantFrom(
    ...[
      "tcp",
      "host",
      "10.0.0.1",
      "and",
      "or",
      "not",
      "(",
      ")",
      "[",
      "]",
      ":",
      "2",
      "vlan",
      "geneve",
      "inner",
      "=",
      "&",
      "-",
      "/",
      "%",
    ],
    ...["port", "80", "ip6", "fe80::1", "net", "src", "proto", "\\tcp", "len", "ether", "0a:00:00:00:00:01", "<", "<<", "!"],
  );
  const text = fc.oneof(
    fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join(" ")),
    fc.string(),
  );
  test("compile or FilterError; the filter never throws", () => {
    fc.assert(
      fc.property(text, fc.uint8Array({ maxLength: 120 }), (filter, bytes) => {
        let accept: ReturnType<typeof compileFilter>;
        try {
          accept = compileFilter(filter);
        } catch (error) {
          expect(error).toBeInstanceOf(FilterError);
          return;
        }
        accept(bytes);
        for (const { frame } of FRAMES.slice(0, 10)) accept(frame);
      }),
      { numRuns: 2000 },
    );
  });
  test("deep nesting is an error, not a crash", () => {
    expect(() => compileFilter("(".repeat(5000))).toThrow(FilterError);
    expect(() => compileFilter("not ".repeat(5000) + "tcp")).toThrow(FilterError);
    expect(() => compileFilter("len = " + "-".repeat(5000) + "1")).toThrow(FilterError);
  });
});
