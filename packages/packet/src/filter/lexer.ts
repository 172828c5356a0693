/** Words of the capture filter language of pcap-filter(7). */
import { type Ipv6, type Mac, parseIpv6, parseMac } from "../address.ts";
import { FilterError } from "./error.ts";

export type Token = { readonly at: number; readonly text: string } & (
  | { readonly type: "number"; readonly value: number }
  /** Two to four octets with dots: "10.0", "10.0.0.1". */
  | { readonly type: "dotted" }
  | { readonly type: "ipv6"; readonly value: Ipv6 }
  | { readonly type: "mac"; readonly value: Mac }
  /** A reserved word. */
  | { readonly type: "word" }
  /** Any other name, or a word with a backslash before it. */
  | { readonly type: "name" }
  | { readonly type: "operator" }
  | { readonly type: "end" }
);

/** Reserved words; synonyms map to one spelling. */
const WORDS = new Map<string, string>(
  [
    "dst src link ether ppp slip fddi tr wlan arp rarp ip ip6 sctp tcp udp icmp igmp igrp pim vrrp carp icmp6 ah esp",
    "atalk aarp decnet lat sca moprc mopdl iso stp ipx netbeui radio esis isis clnp",
    "host net mask port portrange proto protochain gateway less greater byte broadcast multicast and or not len",
    "inbound outbound vlan mpls pppoed pppoes geneve vxlan inner llc type subtype dir",
  ]
    .join(" ")
    .split(" ")
    .map((word): [string, string] => [word, word]),
);
WORDS.set("length", "len");

/** Names of places and values in headers. */
const CONSTANTS: ReadonlyMap<string, number> = new Map([
  ["icmptype", 0],
  ["icmpcode", 1],
  ["icmp-echoreply", 0],
  ["icmp-unreach", 3],
  ["icmp-sourcequench", 4],
  ["icmp-redirect", 5],
  ["icmp-echo", 8],
  ["icmp-routeradvert", 9],
  ["icmp-routersolicit", 10],
  ["icmp-timxceed", 11],
  ["icmp-paramprob", 12],
  ["icmp-tstamp", 13],
  ["icmp-tstampreply", 14],
  ["icmp-ireq", 15],
  ["icmp-ireqreply", 16],
  ["icmp-maskreq", 17],
  ["icmp-maskreply", 18],
  ["icmp6type", 0],
  ["icmp6code", 1],
  ["icmp6-destinationunreach", 1],
  ["icmp6-packettoobig", 2],
  ["icmp6-timeexceeded", 3],
  ["icmp6-parameterproblem", 4],
  ["icmp6-echo", 128],
  ["icmp6-echoreply", 129],
  ["icmp6-multicastlistenerquery", 130],
  ["icmp6-multicastlistenerreportv1", 131],
  ["icmp6-multicastlistenerdone", 132],
  ["icmp6-routersolicit", 133],
  ["icmp6-routeradvert", 134],
  ["icmp6-neighborsolicit", 135],
  ["icmp6-neighboradvert", 136],
  ["icmp6-redirect", 137],
  ["icmp6-routerrenum", 138],
  ["icmp6-nodeinformationquery", 139],
  ["icmp6-nodeinformationresponse", 140],
  ["icmp6-ineighbordiscoverysolicit", 141],
  ["icmp6-ineighbordiscoveryadvert", 142],
  ["icmp6-multicastlistenerreportv2", 143],
  ["tcpflags", 13],
  ["tcp-fin", 1],
  ["tcp-syn", 2],
  ["tcp-rst", 4],
  ["tcp-push", 8],
  ["tcp-ack", 16],
  ["tcp-urg", 32],
  ["tcp-ece", 64],
  ["tcp-cwr", 128],
]);

const OPERATORS = ["<<", ">>", "<=", ">=", "!=", "==", "&&", "||"];
const SINGLE = "()[]:/&|^+-*%<>=!";

const ADDRESS = /[0-9a-fA-F:.]+/y;
const MAC_TEXT =
  /(?:[0-9a-fA-F]{1,2}([:-])(?:[0-9a-fA-F]{1,2}\1){4}[0-9a-fA-F]{1,2}|(?:[0-9a-fA-F]{4}\.){2}[0-9a-fA-F]{4}|[0-9a-fA-F]{12})(?![0-9A-Za-z:.])/y;
const DOTTED = /[0-9]+(?:\.[0-9]+){1,3}(?![0-9A-Za-z.])/y;
const NUMBER = /(?:0[xX][0-9a-fA-F]+|[0-9]+)(?![0-9A-Za-z_])/y;
const NAME = /[A-Za-z0-9](?:[-_.A-Za-z0-9]*[.A-Za-z0-9])?/y;
const ESCAPED = /\\([^ !()\n\t]+)/y;

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function macOfText(text: string): Mac | undefined {
  const digits = /^[0-9a-fA-F]{12}$/.test(text) ? text : text.includes(".") ? text.replace(/\./g, "") : undefined;
  return parseMac(digits ? digits.replace(/(..)(?=.)/g, "$1:") : text.replace(/-/g, ":"));
}

function numberOf(text: string, at: number): number {
  const radix = /^0[xX]/.test(text) ? 16 : /^0[0-9]/.test(text) ? 8 : 10;
  const digits = radix === 16 ? text.slice(2) : text;
  if (radix === 8 && /[89]/.test(digits)) throw new FilterError(`number ${text} contains non-octal digit`, at);
  const value = Number.parseInt(digits, radix);
  if (value > 0xffff_ffff) throw new FilterError(`number ${text} overflows 32 bits`, at);
  return value;
}

function tokenAt(text: string, at: number): Token {
  const escaped = match(ESCAPED, text, at);
  if (escaped) return { type: "name", at, text: escaped };
  const macText = match(MAC_TEXT, text, at);
  const mac = macText === undefined ? undefined : macOfText(macText);
  if (mac !== undefined && macText) return { type: "mac", at, text: macText, value: mac };
  const run = match(ADDRESS, text, at);
  // the longest beginning of the run that is an address: a colon may follow it
  for (let end = run && run.split(":").length > 2 ? run.length : 0; end > 1 && run; end--) {
    const value = parseIpv6(run.slice(0, end));
    if (value !== undefined) return { type: "ipv6", at, text: run.slice(0, end), value };
    if (end < run.length - 1) break;
  }
  const name = match(NAME, text, at);
  const longest = name?.length ?? 0;
  const dotted = match(DOTTED, text, at);
  if (dotted && dotted.length >= longest) return { type: "dotted", at, text: dotted };
  const number = match(NUMBER, text, at);
  if (number && number.length >= longest) return { type: "number", at, text: number, value: numberOf(number, at) };
  if (name) {
    const word = WORDS.get(name);
    if (word) return { type: "word", at, text: word };
    const constant = CONSTANTS.get(name);
    if (constant !== undefined) return { type: "number", at, text: name, value: constant };
    return { type: "name", at, text: name };
  }
  const double = text.slice(at, at + 2);
  if (OPERATORS.includes(double)) {
    if (double === "&&" || double === "||") return { type: "word", at, text: double === "&&" ? "and" : "or" };
    return { type: "operator", at, text: double === "==" ? "=" : double };
  }
  const single = text[at]!;
  if (single === "!") return { type: "word", at, text: "not" };
  if (SINGLE.includes(single)) return { type: "operator", at, text: single };
  throw new FilterError(`illegal char '${single}'`, at);
}

/** All tokens of a filter, an "end" last. Throws {@link FilterError}. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; ) {
    if (/\s/.test(text[at]!)) {
      at++;
      continue;
    }
    const token = tokenAt(text, at);
    tokens.push(token);
    at += lengthOf(token, text);
  }
  tokens.push({ type: "end", at: text.length, text: "" });
  return tokens;
}

/** Synonyms change a token's text, so its length is taken from the source. */
function lengthOf(token: Token, text: string): number {
  if (token.type === "word" || token.type === "operator") {
    const name = match(NAME, text, token.at);
    if (name) return name.length;
    const double = text.slice(token.at, token.at + 2);
    return OPERATORS.includes(double) ? 2 : 1;
  }
  return token.text.length;
}
