/** Names to addresses, as the C library's resolver does it: hosts(5), then the name servers of resolv.conf(5) by UDP. */
import { DNS_FLAG, DNS_TYPE, type Dns, type DnsQuestion, type DnsRecord, decode, find } from "@weft/packet";
import type { Timer } from "@weft/runtime";
import { readEtc } from "./etc.ts";
import { type Family, type Ip, ip4, ip6, parseIp } from "./ip.ts";
import type { Machine } from "./machine.ts";
import type { Namespace } from "./namespace.ts";
import type { Received } from "./stack.ts";

const PORT = 53;
/** resolv.conf(5): as many servers are asked. */
const MOST_SERVERS = 3;

export interface ResolverSettings {
  readonly servers: readonly Ip[];
  readonly search: readonly string[];
  /** A name with fewer dots is looked for in the search domains first. */
  readonly ndots: number;
  readonly attempts: number;
  /** Milliseconds for one answer. */
  readonly timeout: number;
}

export function parseResolvConf(text: string): ResolverSettings {
  const servers: Ip[] = [];
  let search: string[] = [];
  const numbers: Record<string, number> = { ndots: 1, attempts: 2, timeout: 5 };
  for (const line of text.split("\n")) {
    const [word, ...rest] = line
      .replace(/[#;].*/, "")
      .trim()
      .split(/\s+/);
    const server = word === "nameserver" ? parseIp(rest[0]?.split("%")[0] ?? "") : undefined;
    if (server && servers.length < MOST_SERVERS) servers.push(server);
    if (word === "search" || word === "domain") search = rest;
    if (word !== "options") continue;
    for (const option of rest) {
      const [name = "", value] = option.split(":");
      if (name in numbers && /^\d+$/.test(value ?? "")) numbers[name] = Number(value);
    }
  }
  const { ndots = 1, attempts = 2, timeout = 5 } = numbers;
  return { servers, search, ndots, attempts, timeout: timeout * 1000 };
}

/** What came of asking one server: a message, or why there is none. */
export type DnsAnswer =
  | { readonly message: Dns; readonly bytes: number; readonly ms: number; readonly server: Ip }
  | { readonly failure: "timed out" | "connection refused" | "network unreachable" | "host unreachable"; readonly server: Ip };

/** A name as it was found, and its addresses. */
export interface Found {
  readonly name: string;
  readonly ips: readonly Ip[];
}

export class Resolver {
  readonly #machine: Machine;
  readonly #namespace: Namespace;

  constructor({ machine, namespace }: { readonly machine: Machine; readonly namespace: Namespace }) {
    this.#machine = machine;
    this.#namespace = namespace;
  }

  async settings(): Promise<ResolverSettings> {
    return parseResolvConf(await readEtc(this.#machine, this.#namespace, "resolv.conf"));
  }

  /** Asks one server once. `payload`: of EDNS (RFC 6891), absent for none. */
  ask(
    server: Ip,
    question: DnsQuestion,
    { ms, port = PORT, payload, recursion = true }: { ms: number; port?: number; payload?: number; recursion?: boolean },
  ): Promise<DnsAnswer> {
    const { clock, random } = this.#machine.runtime;
    const { stack } = this.#namespace;
    const id = random.below(0x10000);
    const start = clock.now();
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      const finish = (answer: DnsAnswer) => {
        timer?.cancel();
        stack.icmpListeners.delete(onIcmp);
        socket.close();
        resolve(answer);
      };
      const socket = stack.udp.bind(undefined, 0, (bytes) => {
        const message = find(decode(bytes, "dns"), "dns");
        if (message?.id !== id || (message.flags & DNS_FLAG.response) === 0) return;
        finish({ message, bytes: bytes.length, ms: clock.now() - start, server });
      });
      const onIcmp = ({ layers }: Received) => {
        const ours = layers.some(({ header }) => header.kind === "udp" && header.srcPort === socket.port);
        if (ours) finish({ failure: "connection refused", server });
      };
      stack.icmpListeners.add(onIcmp);
      timer = clock.after(ms, () => finish({ failure: "timed out", server }));
      const edns = payload === undefined ? [] : [ednsRecord(payload)];
      const query: Dns = {
        kind: "dns",
        id,
        flags: (recursion ? DNS_FLAG.recursionDesired : 0) | (payload === undefined ? 0 : AUTHENTIC_DATA),
        questions: [question],
        additionals: edns,
      };
      const sent = stack.send(server, [{ kind: "udp", srcPort: socket.port, dstPort: port }, query], {
        onUnreachable: () => finish({ failure: "host unreachable", server }),
      });
      if (!sent.ok) finish({ failure: "network unreachable", server });
    });
  }

  /** Asks the servers of resolv.conf in turn, as often as it says; the last failure when nobody answers. */
  async query(question: DnsQuestion, payload?: number): Promise<DnsAnswer | undefined> {
    const { servers, attempts, timeout } = await this.settings();
    let last: DnsAnswer | undefined;
    for (let attempt = 0; attempt < attempts; attempt++) {
      for (const server of servers) {
        last = await this.ask(server, question, { ms: timeout, ...(payload === undefined ? {} : { payload }) });
        if ("message" in last) return last;
      }
    }
    return last;
  }

  /** The full names that a name may stand for, in the order of trying. */
  async candidates(name: string): Promise<string[]> {
    const { search, ndots } = await this.settings();
    if (name.endsWith(".")) return [name.slice(0, -1)];
    const longer = search.map((domain) => `${name}.${domain.replace(/\.$/, "")}`);
    return name.split(".").length - 1 >= ndots ? [name, ...longer] : [...longer, name];
  }

  async #fromHosts(name: string): Promise<Ip[]> {
    const text = `${await readEtc(this.#machine, this.#namespace, "hosts")}\n127.0.0.1 localhost\n::1 localhost\n`;
    return text.split("\n").flatMap((line) => {
      const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
      const ip = names.some((other) => other.toLowerCase() === name.toLowerCase()) ? parseIp(address) : undefined;
      return ip ? [ip] : [];
    });
  }

  /**
   * The addresses of a name, of one family or both, and its full name; an address stands for itself. "again": no server
   * answered (EAI_AGAIN); "unknown": there is no such name (EAI_NONAME).
   */
  async lookup(name: string, family?: Family): Promise<Found | "again" | "unknown"> {
    const own = parseIp(name);
    if (own) return family === undefined || own.family === family ? { name, ips: [own] } : "unknown";
    const wanted = (ips: readonly Ip[]) => ips.filter((ip) => family === undefined || ip.family === family);
    const fixed = wanted(await this.#fromHosts(name));
    if (fixed.length > 0) return { name, ips: fixed };
    if ((await this.settings()).servers.length === 0) return "again";
    let unanswered = true;
    for (const candidate of await this.candidates(name)) {
      const types = [...(family === 6 ? [] : [DNS_TYPE.A]), ...(family === 4 ? [] : [DNS_TYPE.AAAA])];
      const answers = await Promise.all(types.map((type) => this.query({ name: candidate, type })));
      if (answers.some((answer) => answer && "message" in answer)) unanswered = false;
      const found = wanted(answers.flatMap((answer) => (answer && "message" in answer ? addressesIn(answer.message) : [])));
      if (found.length > 0) return { name: candidate, ips: found };
      if (unanswered) return "again";
    }
    return unanswered ? "again" : "unknown";
  }
}

/** RFC 2535: the resolver understands the bit in answers, and dig sets it in questions. */
const AUTHENTIC_DATA = 0x20;

function ednsRecord(payload: number): DnsRecord {
  return { name: "", type: DNS_TYPE.OPT, class: payload, ttl: 0, data: { type: "other", bytes: new Uint8Array() } };
}

function addressesIn(message: Dns): Ip[] {
  return (message.answers ?? []).flatMap(({ data }) =>
    data.type === "A" ? [ip4(data.address)] : data.type === "AAAA" ? [ip6(data.address)] : [],
  );
}

/** The words of getaddrinfo(3) for a lookup that found nothing. */
export function lookupError(why: "again" | "unknown"): string {
  return why === "again" ? "Temporary failure in name resolution" : "Name or service not known";
}
