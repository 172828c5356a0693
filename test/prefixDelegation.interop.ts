/** IPv6 prefixes delegated to routers (DHCPv6), asked for by our controller and by the reference's: the same conversation. */
import { emit, fromHex, type Header, parseIpv6, parseMac } from "@weft/packet";
import { expect, test } from "vitest";
import { controllerPair } from "./reference/controllerPair.ts";

const pair = controllerPair(
  `
  pd() { # pd N NETWORK: a router, its switch of servers ext$1, and its switch in$1 that a prefix is for
    ovn-nbctl --may-exist lr-add r$1 -- ls-add ext$1 -- lsp-add ext$1 e$1 -- lsp-set-addresses e$1 unknown \\
      -- lrp-add r$1 x$1 50:54:00:00:1$1:fe $2 -- lsp-add-router-port ext$1 ext$1-r x$1 \\
      -- set logical_router_port x$1 options:prefix_delegation=true \\
      -- ls-add in$1 -- lsp-add in$1 i$1 -- lsp-set-addresses i$1 unknown -- lrp-add r$1 y$1 50:54:00:00:0$1:fe fd0$1::fe/64 \\
      -- lsp-add-router-port in$1 in$1-r y$1 -- set logical_router_port y$1 options:prefix=true
  }
  ovn-nbctl lr-add r1 -- set logical_router r1 options:chassis=w1
  pd 1 10.0.0.1/24; pd 2 fd16::fe/64; pd 3 fd17::fe/64
  ovn-nbctl lrp-set-gateway-chassis x2 w1 20`,
  ["e1", "e2", "e3", "i1", "i2", "i3"],
);
type Side = (typeof pair.sides)[number];

const SERVER_ID = "0002000a00030001505400000199";
/** Both speak up to 3 s after it is time: further from one time to the next, so that there is a message of each kind. */
const TIMES = { renew: 2, rebind: 8, preferred: 9, valid: 14 };
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const word = (value: number) => value.toString(16).padStart(8, "0");
const option = (code: number, data: string) =>
  `${code.toString(16).padStart(4, "0")}${(data.length / 2).toString(16).padStart(4, "0")}${data}`;
const prefix = (text: string, length: number) =>
  option(26, `${word(TIMES.preferred)}${word(TIMES.valid)}${length.toString(16)}${text.padEnd(32, "0")}`);

/** Where the DHCPv6 message is in a frame as hexadecimal text. */
const MESSAGE = 2 * (14 + 40 + 8);

interface Heard {
  readonly port: string;
  /** What comes in front of the UDP header, but for the payload's length. */
  readonly head: string;
  readonly message: string;
  /** Of the IA_PD, 8 digits; in the message, X stands for it. */
  readonly identity: string;
}

/** A message of the client; its UDP checksum depends on what is random in it. */
function heard(line: string): Heard {
  const [port, hex] = line.split(" ") as [string, string];
  const text = hex.slice(MESSAGE);
  const at = text.search(/0019(000c|0029)0000/) + 8;
  const identity = text.slice(at, at + 8);
  return { port, head: hex.slice(0, MESSAGE - 8), message: text.replaceAll(identity, "X"), identity };
}

function answer(type: number, to: Heard): Header[] {
  const network = to.head.slice(44, 76);
  const association = option(
    25,
    `${to.identity}${word(TIMES.renew)}${word(TIMES.rebind)}${prefix("20010db80001", 56)}${prefix("20010db80002", 60)}`,
  );
  const body = fromHex(`${type.toString(16).padStart(2, "0")}000000${to.message.slice(8, 36)}${SERVER_ID}${association}`)!;
  return [
    { kind: "ethernet", dst: parseMac(to.head.slice(12, 24).match(/../g)!.join(":"))!, src: parseMac("50:54:00:00:09:99")! },
    { kind: "ipv6", src: parseIpv6("fe80::99")!, dst: parseIpv6(network.match(/..../g)!.join(":"))!, hopLimit: 64 },
    { kind: "udp", srcPort: 547, dstPort: 546 },
    { kind: "payload", bytes: body },
  ];
}

/** Answers what comes from a port until a message of a kind comes, and returns that. */
async function converse(side: Side, port: string, type: number, until: string): Promise<Heard> {
  for (let tries = 0; tries < 800; tries++) {
    const messages = pair
      .taken(side)
      .map(heard)
      .filter((message) => message.port === port);
    const awaited = messages.find(({ message }) => message.startsWith(until));
    const last = messages.at(-1);
    if (awaited !== undefined) return awaited;
    if (last !== undefined) await side.inject(port, emit(answer(type, last)));
    await sleep(25);
  }
  throw new Error(`${side.name}: no message of kind ${until}`);
}

test("who asks, and what it says", async () => {
  await sleep(4000);
  const [reference, weft] = pair.sides.map((side) => {
    const lines = pair.taken(side).map(heard);
    return [...new Set(lines.map(({ port, head, message }) => `${port} ${head} ${message}`))].sort();
  });
  expect(weft).toEqual(reference);
  expect(reference!.map((line) => line.split(" ")[0])).toEqual(["e1", "e2"]);
});

const PREFIXES = `
  for port in y1 y2; do
    echo $(ovn-sbctl get port_binding $port options | grep -o 'ipv6_ra_pd_list="[^"]*"' | sed 's/"[0-9]*:/"X:/') \\
      $(ovn-nbctl get logical_router_port $port ipv6_prefix)
  done`;

test("an offer is requested, a prefix written, renewed and asked for again", async () => {
  const conversations = await Promise.all(
    pair.sides.map(async (side) => {
      const answered = [await converse(side, "e1", 2, "03"), await converse(side, "e1", 7, "05")];
      const later: string[] = [];
      for (let looks = 0; looks < 300 && !later.some((line) => line.includes(" 01")); looks++) {
        await sleep(100);
        for (const { port, head, message } of pair.taken(side).map(heard)) if (port === "e1") later.push(`${head} ${message}`);
      }
      return [...answered.map(({ head, message }) => `${head} ${message}`), ...later];
    }),
  );
  const kinds = (lines: readonly string[]) => [...new Set(lines.map((line) => line.split(" ")[1]!.slice(0, 2)))];
  // The reference's second Renew has lost the server's identity, which RFC 8415 section 18.2.4 wants in each.
  const whole = (lines: readonly string[]) => lines.filter((line) => !/ 05.{34}0019/.test(line));
  const [reference, weft] = conversations.map(whole);
  expect([...new Set(weft)]).toEqual([...new Set(reference)]);
  expect(kinds(reference!)).toEqual(["03", "05", "06", "01"]);
  await pair.sameRows(PREFIXES, 'ipv6_ra_pd_list="X:2001:db8:1::/56" ["2001:db8:1::/56"]');
});
