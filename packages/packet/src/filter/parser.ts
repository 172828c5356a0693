/**
 * The grammar of pcap-filter(7). Tests are made while parsing, from left to right, for `vlan` and tunnels change the meaning of
 * what comes after them. `and` and `or` have the same precedence and associate to the left; `not` binds tightest; an
 * identifier alone takes the qualifiers of the one before it ("port 80 or 443").
 */
import { type Ipv6, ipv6Of, MAC_BROADCAST, parseIpv4 } from "../address.ts";
import { ipv6Mask } from "../prefix.ts";
import { portNumber } from "../tcpdump/names.ts";
import { type Arithmetic, accessor, binary, constant, isRelation, negate, packetLength, relation } from "./arithmetic.ts";
import { FilterError } from "./error.ts";
import { type Token, tokenize } from "./lexer.ts";
import { and, not, or, type Packet, type Test } from "./machine.ts";
import * as primitive from "./primitives.ts";

/** Words that name a protocol: a primitive alone, a qualifier before others. */
const PROTOCOLS = new Set(
  "link ether ip ip6 arp rarp tcp udp sctp icmp icmp6 igmp igrp pim vrrp carp ah esp atalk aarp decnet lat sca moprc mopdl stp ipx netbeui iso".split(
    " ",
  ),
);
const NUMBERS_V4 = new Map([
  ["icmp", 1],
  ["igmp", 2],
  ["igrp", 9],
  ["pim", 103],
  ["vrrp", 112],
  ["carp", 112],
]);
const NUMBERS_BOTH = new Map([
  ["tcp", 6],
  ["udp", 17],
  ["sctp", 132],
  ["ah", 51],
  ["esp", 50],
]);
const LINK_NUMBERS = new Map([
  ["ip", 0x0800],
  ["ip6", 0x86dd],
  ["arp", 0x0806],
  ["rarp", 0x8035],
  ["atalk", 0x809b],
  ["aarp", 0x80f3],
  ["decnet", 0x6003],
  ["lat", 0x6004],
  ["sca", 0x6007],
  ["moprc", 0x6002],
  ["mopdl", 0x6001],
  ["stp", 0x42],
  ["ipx", 0xe0],
  ["netbeui", 0xf0],
  ["iso", 0xfe],
]);
const PROTOCOL_NAMES = new Map<string, number>([
  ["ip", 0],
  ["ipv6-icmp", 58],
  ["icmp6", 58],
  ["gre", 47],
  ["ospf", 89],
  ["ipv6", 41],
  ["ipv6-frag", 44],
  ["ipv6-route", 43],
  ["ipv6-nonxt", 59],
  ["ipv6-opts", 60],
  ...NUMBERS_V4,
  ...NUMBERS_BOTH,
]);

interface Qualifiers {
  readonly protocol: string | undefined;
  readonly direction: primitive.Direction;
  readonly kind: "host" | "net" | "port" | "portrange" | "proto" | "protochain" | undefined;
}

/** Parentheses and the like; what is deeper is an error rather than a stack overflow. */
const MAX_DEPTH = 1000;
/** Every `and` and `or` is one call deeper when the filter runs. */
const MAX_TOKENS = 16_384;

export class FilterParser {
  private readonly tokens: readonly Token[];
  private layout: primitive.Layout;
  private next = 0;
  private depth = 0;
  private last: Qualifiers | undefined;

  constructor(text: string, linkType: number) {
    this.tokens = tokenize(text);
    if (this.tokens.length > MAX_TOKENS) throw new FilterError("filter too long", this.tokens[MAX_TOKENS]!.at);
    this.layout = new primitive.Layout(linkType);
  }

  /** Throws FilterError. An empty filter is true of every packet. */
  parse(): Test {
    if (this.atEnd()) return () => true;
    const test = this.expression();
    if (!this.atEnd()) throw this.syntaxError();
    return test;
  }

  private get token(): Token {
    return this.tokens[this.next]!;
  }

  private atEnd(): boolean {
    return this.token.type === "end";
  }

  private ahead(count: number): Token {
    return this.tokens[Math.min(this.next + count, this.tokens.length - 1)]!;
  }

  private syntaxError(token = this.token): FilterError {
    return new FilterError("syntax error", token.at);
  }

  private isWord(...words: readonly string[]): boolean {
    return this.token.type === "word" && words.includes(this.token.text);
  }

  private isOperator(text: string, token = this.token): boolean {
    return token.type === "operator" && token.text === text;
  }

  private takeWord(...words: readonly string[]): string | undefined {
    if (!this.isWord(...words)) return undefined;
    return this.tokens[this.next++]!.text;
  }

  private takeOperator(text: string): boolean {
    if (!this.isOperator(text)) return false;
    this.next++;
    return true;
  }

  private expect(operator: string): void {
    if (!this.takeOperator(operator)) throw this.syntaxError();
  }

  private nested<T>(run: () => T): T {
    if (++this.depth > MAX_DEPTH) throw new FilterError("expression nests too deeply", this.token.at);
    const result = run();
    this.depth--;
    return result;
  }

  private expression(): Test {
    let test = this.term();
    for (;;) {
      const word = this.takeWord("and", "or");
      if (word === undefined) return test;
      const right = this.startsIdentifier() ? this.identifier(this.qualifiers()) : this.term();
      test = word === "and" ? and(test, right) : or(test, right);
    }
  }

  /** An identifier where a term could stand: it takes the qualifiers of the last one. */
  private startsIdentifier(): boolean {
    let ahead = 0;
    while (this.ahead(ahead).type === "word" && this.ahead(ahead).text === "not") ahead++;
    const token = this.ahead(ahead);
    if (token.type === "number") {
      const after = this.ahead(ahead + 1);
      return !(after.type === "operator" && after.text !== ")");
    }
    return token.type === "dotted" || token.type === "ipv6" || token.type === "mac" || token.type === "name";
  }

  private qualifiers(): Qualifiers {
    return this.last ?? { protocol: "(none)", direction: undefined, kind: undefined };
  }

  private term(): Test {
    return this.nested(() => {
      if (this.takeWord("not")) return not(this.term());
      if (this.takeWord("inner")) return this.inner();
      if (this.isOperator("(")) return this.parenthesised();
      // only an identifier hands its qualifiers on
      this.last = undefined;
      return this.startsArithmetic() ? this.relation() : this.primitive();
    });
  }

  private startsArithmetic(): boolean {
    const { type, text } = this.token;
    if (type === "number" || (type === "word" && text === "len") || this.isOperator("-")) return true;
    return type === "word" && PROTOCOLS.has(text) && this.isOperator("[", this.ahead(1));
  }

  /** Either an expression in parentheses or the beginning of an arithmetic one. */
  private parenthesised(): Test {
    const start = this.next;
    const before = this.last;
    const { depth } = this;
    try {
      const left = this.arithmetic(0);
      if (this.token.type === "operator" && isRelation(this.token.text)) return this.relationAfter(left);
    } catch (error) {
      if (!(error instanceof FilterError) || error.message !== "syntax error") throw error;
    }
    this.next = start + 1;
    this.depth = depth;
    const test = this.expression();
    this.expect(")");
    this.last = before;
    return test;
  }

  private relation(): Test {
    return this.relationAfter(this.arithmetic(0));
  }

  private relationAfter(left: Arithmetic): Test {
    const { type, text } = this.token;
    if (type !== "operator" || !isRelation(text)) throw this.syntaxError();
    this.next++;
    this.last = undefined;
    return relation(text, left, this.arithmetic(0));
  }

  /** Precedence climbing over the binary operators. */
  private arithmetic(level: number): Arithmetic {
    return this.nested(() => {
      const levels = [["|"], ["&"], ["<<", ">>"], ["+", "-"], ["*", "/"]];
      const operators = levels[level];
      if (operators === undefined) return this.operandWithTail();
      let left = this.arithmetic(level + 1);
      while (this.token.type === "operator" && operators.includes(this.token.text)) {
        const { text, at } = this.token;
        this.next++;
        left = binary(text, left, this.arithmetic(level + 1), at);
      }
      return left;
    });
  }

  /**
   * In libpcap's grammar % and ^ have no precedence: they bind to the operand on their left, and to all that follows on their
   * right.
   */
  private operandWithTail(): Arithmetic {
    const left = this.operand();
    const { type, text, at } = this.token;
    if (type !== "operator" || (text !== "%" && text !== "^")) return left;
    this.next++;
    return binary(text, left, this.arithmetic(0), at);
  }

  private operand(): Arithmetic {
    const token = this.token;
    if (token.type === "number") {
      this.next++;
      return constant(token.value);
    }
    if (this.takeWord("len")) return packetLength;
    if (this.takeOperator("-")) return negate(this.nested(() => this.operandWithTail()));
    if (this.takeOperator("(")) {
      const value = this.arithmetic(0);
      this.expect(")");
      return value;
    }
    if (token.type !== "word" || !PROTOCOLS.has(token.text) || !this.isOperator("[", this.ahead(1))) throw this.syntaxError();
    this.next += 2;
    const index = this.arithmetic(0);
    let size = 1;
    if (this.takeOperator(":")) {
      const given = this.token;
      if (given.type !== "number") throw this.syntaxError();
      this.next++;
      size = given.value;
    }
    this.expect("]");
    return accessor(this.layout, token.text, index, size, token.at);
  }

  /** Applies a primitive, or an expression in parentheses, to the frame inside a tunnel. */
  private inner(): Test {
    const outside = this.layout;
    const raw = outside.raw;
    this.layout = new primitive.Layout(1);
    const test = this.term();
    this.layout = outside;
    return (p) => {
      const start = primitive.innerFrame(p.bytes, raw);
      if (start < 0) return false;
      const inside: Packet = { bytes: p.bytes.subarray(start), length: p.length - start, failed: false, registers: [] };
      return test(inside) && !inside.failed;
    };
  }

  private primitive(): Test {
    const token = this.token;
    if (token.type !== "word") throw this.syntaxError();
    const word = token.text;
    if (word === "less" || word === "greater") {
      this.next++;
      const limit = this.number();
      return word === "less" ? (p) => p.length <= limit : (p) => p.length >= limit;
    }
    if (word === "vlan" || word === "geneve" || word === "vxlan") {
      this.next++;
      const value = this.token.type === "number" && !this.followedByOperator() ? this.number() : undefined;
      return word === "vlan"
        ? primitive.vlan(this.layout, value, token.at)
        : primitive.tunnel(this.layout, word, value, token.at);
    }
    if (word === "broadcast" || word === "multicast") return this.castTest(undefined);
    if (word === "inbound" || word === "outbound")
      throw new FilterError(`${word} not supported on Ethernet when reading savefiles`, token.at);
    if (word === "gateway") throw new FilterError("'gateway' not supported in this configuration", token.at);
    if (["mpls", "pppoed", "pppoes", "llc", "byte", "type", "subtype", "dir", "wlan", "ppp", "slip", "radio"].includes(word))
      throw new FilterError(`'${word}' is not supported`, token.at);
    return this.qualified();
  }

  private followedByOperator(): boolean {
    const after = this.ahead(1);
    return after.type === "operator" && after.text !== ")";
  }

  private number(): number {
    const token = this.token;
    if (token.type !== "number") throw this.syntaxError();
    this.next++;
    return token.value;
  }

  private castTest(protocol: string | undefined): Test {
    const { at, text } = this.token;
    this.next++;
    if (protocol === undefined || protocol === "ether" || protocol === "link") {
      if (this.layout.raw && !this.layout.tunnel) throw new FilterError(`not a ${text} link`, at);
      if (text === "multicast") return primitive.etherMulticast(this.layout);
      return primitive.etherHost(this.layout, MAC_BROADCAST, "dst");
    }
    if (protocol === "ip" && text === "multicast") return primitive.ipMulticast(this.layout);
    if (protocol === "ip6" && text === "multicast") return primitive.ip6Multicast(this.layout);
    if (protocol === "ip") return primitive.ipBroadcast(this.layout);
    throw new FilterError(
      text === "multicast"
        ? "link-layer multicast filters supported only on ethernet/FDDI/token ring/ARCNET/802.11/ATM LANE/Fibre Channel"
        : "only link-layer/IP broadcast filters supported",
      at,
    );
  }

  /** Qualifiers with an identifier, or a protocol alone. */
  private qualified(): Test {
    const start = this.token;
    const protocol = start.type === "word" && PROTOCOLS.has(start.text) ? start.text : undefined;
    if (protocol !== undefined) {
      this.next++;
      if (this.isWord("broadcast", "multicast")) return this.castTest(protocol);
    }
    const direction = this.direction();
    const kind = this.takeWord("host", "net", "port", "portrange", "proto", "protochain") as Qualifiers["kind"];
    if (protocol !== undefined && direction === undefined && kind === undefined && !this.startsIdentifierNow())
      return this.alone(protocol, start);
    if (protocol === undefined && direction === undefined && kind === undefined) throw this.syntaxError();
    if (protocol !== undefined && direction === undefined && kind === undefined) throw this.syntaxError();
    if ((kind === "proto" || kind === "protochain") && direction !== undefined) throw this.syntaxError();
    this.last = { protocol, direction, kind };
    return this.identifier(this.last);
  }

  private startsIdentifierNow(): boolean {
    const { type } = this.token;
    return type === "number" || type === "dotted" || type === "ipv6" || type === "mac" || type === "name";
  }

  private direction(): primitive.Direction {
    const first = this.takeWord("src", "dst");
    if (first === undefined) return undefined;
    const other = first === "src" ? "dst" : "src";
    const [join, second] = [this.token, this.ahead(1)];
    const joined =
      join.type === "word" && (join.text === "or" || join.text === "and") && second.type === "word" && second.text === other;
    if (!joined) return first as "src" | "dst"; // takeWord gives one of the words asked for
    // "src or dst host x" is one qualifier; "src x or dst y" never gets here, for x comes between
    this.next += 2;
    return join.text === "or" ? "src or dst" : "src and dst";
  }

  private alone(protocol: string, token: Token): Test {
    const { layout } = this;
    const both = NUMBERS_BOTH.get(protocol);
    if (both !== undefined) return primitive.ipProtocol(layout, undefined, both);
    const v4 = NUMBERS_V4.get(protocol);
    if (v4 !== undefined) return primitive.ipProtocol(layout, 4, v4);
    if (protocol === "icmp6") return primitive.ipProtocol(layout, 6, 58);
    const link = LINK_NUMBERS.get(protocol);
    if (link !== undefined) return primitive.linkType(layout, link);
    throw new FilterError("link layer applied in wrong context", token.at);
  }

  /** nid: an identifier with qualifiers; "not" and parentheses distribute over it. */
  private identifier(q: Qualifiers): Test {
    return this.nested(() => {
      if (this.takeWord("not")) return not(this.identifier(q));
      if (this.takeOperator("(")) {
        let test = this.identifier(q);
        for (;;) {
          const word = this.takeWord("and", "or");
          if (word === undefined) break;
          const right = this.identifier(q);
          test = word === "and" ? and(test, right) : or(test, right);
        }
        this.expect(")");
        return test;
      }
      const token = this.token;
      this.next++;
      switch (token.type) {
        case "number":
          return this.numberIdentifier(q, token.value, token);
        case "dotted":
          return this.dottedIdentifier(q, token);
        case "ipv6":
          return this.ipv6Identifier(q, token.value, token);
        case "mac":
          if (q.protocol !== "ether" && q.protocol !== "link")
            throw new FilterError("ethernet address used in non-ether expression", token.at);
          if (q.kind !== undefined && q.kind !== "host")
            throw new FilterError("ethernet address used in non-ether expression", token.at);
          if (this.layout.raw && !this.layout.tunnel)
            throw new FilterError("ethernet addresses supported only on ethernet", token.at);
          return primitive.etherHost(this.layout, token.value, q.direction);
        case "name":
          return this.nameIdentifier(q, token);
        default:
          this.next--;
          throw this.syntaxError();
      }
    });
  }

  private numberIdentifier(q: Qualifiers, value: number, token: Token): Test {
    switch (q.kind) {
      case "port":
        return this.portTest(q, value, value, token);
      case "portrange":
        return this.portTest(q, value, value, token);
      case "proto":
        return this.protocolTest(q, value, token);
      case "protochain":
        return this.chainTest(q, value, token);
      case "net": {
        if (this.isOperator("/") || this.isWord("mask")) {
          return this.maskedNet(q, value >>> 0 < 256 ? value * 0x100_0000 : value, token);
        }
        let net = value >>> 0;
        let mask = 0xffff_ffff;
        while (net !== 0 && net < 0x100_0000) {
          net = (net * 256) >>> 0;
          mask = (mask << 8) >>> 0;
        }
        return this.host4(q, net, mask, token);
      }
      default:
        return this.host4(q, value, 0xffff_ffff, token);
    }
  }

  private dottedIdentifier(q: Qualifiers, token: Token): Test {
    const octets = token.text.split(".").map(Number);
    if (octets.some((octet) => octet > 255)) throw new FilterError(`invalid IPv4 address '${token.text}'`, token.at);
    const bits = octets.length * 8;
    const address = octets
      .concat([0, 0, 0])
      .slice(0, 4)
      .reduce((sum, octet) => sum * 256 + octet, 0);
    if (this.isOperator("/") || this.isWord("mask")) return this.maskedNet(q, address, token);
    if (q.kind !== undefined && q.kind !== "host" && q.kind !== "net")
      throw new FilterError(`'${q.kind}' modifier applied to ip host`, token.at);
    const mask = bits === 32 ? 0xffff_ffff : (0xffff_ffff << (32 - bits)) >>> 0;
    return this.host4(q, address, mask, token);
  }

  /** "A/LENGTH" and "A mask M". */
  private maskedNet(q: Qualifiers, address: number, token: Token): Test {
    let mask: number;
    let shown: string;
    if (this.takeOperator("/")) {
      const length = this.number();
      if (length > 32) throw new FilterError("mask length must be <= 32", token.at);
      mask = length === 0 ? 0 : (0xffff_ffff << (32 - length)) >>> 0;
      shown = `${token.text}/${length}`;
    } else {
      this.next++;
      const given = this.token;
      if (given.type !== "dotted" && given.type !== "number") throw this.syntaxError();
      this.next++;
      const octets = given.text.split(".").map(Number);
      mask = octets
        .concat([0, 0, 0])
        .slice(0, 4)
        .reduce((sum, octet) => sum * 256 + (octet & 255), 0);
      shown = `${token.text} mask ${given.text}`;
    }
    if ((address & ~mask) !== 0) throw new FilterError(`non-network bits set in "${shown}"`, token.at);
    if (q.kind !== "net") throw new FilterError("Mask syntax for networks only", token.at);
    return this.host4(q, address, mask, token);
  }

  private host4(q: Qualifiers, address: number, mask: number, token: Token): Test {
    const kind = q.kind === "net" ? "net" : "host";
    if (q.protocol === "(none)") throw new FilterError("syntax error in filter expression", token.at);
    switch (q.protocol) {
      case undefined:
      case "ip":
      case "arp":
      case "rarp":
        return primitive.ipv4Host(this.layout, q.protocol, address, mask, q.direction);
      case "ether":
      case "link":
        throw new FilterError(
          q.kind === undefined || kind === "host" ? "illegal link layer address" : `link-layer modifier applied to ${kind}`,
          token.at,
        );
      case "ip6":
        throw new FilterError(`'ip6' modifier applied to ip host`, token.at);
      default:
        throw new FilterError(`'${q.protocol}' modifier applied to ${kind}`, token.at);
    }
  }

  private ipv6Identifier(q: Qualifiers, address: Ipv6, token: Token): Test {
    if (q.protocol === "(none)") throw new FilterError("invalid qualifier against IPv6 address", token.at);
    let length = 128;
    if (this.takeOperator("/")) {
      length = this.number();
      if (length > 128) throw new FilterError("mask length must be <= 128", token.at);
    }
    if (q.kind === "port" || q.kind === "portrange" || q.kind === "proto" || q.kind === "protochain")
      throw new FilterError("invalid qualifier against IPv6 address", token.at);
    if (q.kind !== "net" && length !== 128) throw new FilterError("Mask syntax for networks only", token.at);
    if (q.protocol !== undefined && q.protocol !== "ip6")
      throw new FilterError(
        q.protocol === "ether" || q.protocol === "link"
          ? `link-layer modifier applied to ip6 ${q.kind ?? "host"}`
          : `'${q.protocol}' modifier applied to ip6 ${q.kind ?? "host"}`,
        token.at,
      );
    const mask = ipv6Mask(length);
    if ((address & ~mask) !== 0n) throw new FilterError(`non-network bits set in "${token.text}/${length}"`, token.at);
    return primitive.ipv6Host(this.layout, ipv6Of(address & mask), mask, q.direction);
  }

  private nameIdentifier(q: Qualifiers, token: Token): Test {
    const escaped = token.text.startsWith("\\");
    const name = escaped ? token.text.slice(1) : token.text;
    switch (q.kind) {
      case "proto":
      case "protochain": {
        const onLink = q.protocol === "ether" || q.protocol === "link";
        const number = onLink ? LINK_NUMBERS.get(name) : PROTOCOL_NAMES.get(name);
        if (number === undefined) throw new FilterError(`unknown ${onLink ? "ether" : "ip"} proto '${name}'`, token.at);
        return q.kind === "proto" ? this.protocolTest(q, number, token) : this.chainTest(q, number, token);
      }
      case "port": {
        const known = portNumber(name);
        if (known === undefined) throw new FilterError(`unknown port '${name}'`, token.at);
        // a service of both TCP and UDP is nothing but its number
        const number = known.tcp ?? known.udp ?? known.sctp ?? 0;
        if (known.tcp === known.udp) return this.portTest(q, number, number, token);
        const only = known.tcp !== undefined ? "tcp" : "udp";
        if (q.protocol !== undefined && q.protocol !== only) throw new FilterError(`port '${name}' is ${only}`, token.at);
        return this.portTest({ ...q, protocol: only }, number, number, token);
      }
      case "portrange": {
        const range = /^(\d+)-(\d+)$/.exec(name);
        if (!range) throw new FilterError(`unknown port in range '${name}'`, token.at);
        const [first, last] = [Number(range[1]), Number(range[2])];
        return this.portTest(q, Math.min(first, last), Math.max(first, last), token);
      }
      default:
        if (parseIpv4(name) !== undefined) throw this.syntaxError(token);
        throw new FilterError(`unknown ${q.kind === "net" ? "network" : "host"} '${name}'`, token.at);
    }
  }

  private portTest(q: Qualifiers, first: number, last: number, token: Token): Test {
    const { protocol } = q;
    if (protocol !== undefined && protocol !== "tcp" && protocol !== "udp" && protocol !== "sctp")
      throw new FilterError(`illegal qualifier of '${q.kind ?? "port"}'`, token.at);
    if (last > 65535) throw new FilterError(`illegal port number ${last} > 65535`, token.at);
    return primitive.ports(this.layout, protocol, first, last, q.direction);
  }

  private protocolTest(q: Qualifiers, number: number, token: Token): Test {
    switch (q.protocol) {
      case undefined:
        return primitive.ipProtocol(this.layout, undefined, number);
      case "ip":
        return primitive.ipProtocol(this.layout, 4, number);
      case "ip6":
        return primitive.ipProtocol(this.layout, 6, number);
      case "ether":
      case "link":
        return primitive.linkType(this.layout, number);
      case "arp":
      case "rarp":
      case "atalk":
      case "decnet":
      case "lat":
      case "sca":
      case "moprc":
      case "mopdl":
        throw new FilterError(`${q.protocol} does not encapsulate another protocol`, token.at);
      default:
        throw new FilterError(`'${q.protocol} proto' is bogus`, token.at);
    }
  }

  private chainTest(q: Qualifiers, number: number, token: Token): Test {
    if (q.protocol !== undefined && q.protocol !== "ip" && q.protocol !== "ip6")
      throw new FilterError("bad protocol applied for 'protochain'", token.at);
    if (this.layout.tunnel) throw new FilterError("'protochain' not supported with variable length headers", token.at);
    const version = q.protocol === undefined ? undefined : q.protocol === "ip" ? 4 : 6;
    return primitive.protocolChain(this.layout, version, number);
  }
}
