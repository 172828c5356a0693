/** dig(1) of an emulated machine, with the output of BIND 9.18's. */
import { DNS_FLAG, DNS_TYPE, type Dns, type DnsRecord } from "@weft/packet";
import { formatIp, type Ip, parseIp } from "../../machine/ip.ts";
import type { Command, CommandContext } from "../../machine/machine.ts";
import { type DnsAnswer, Resolver } from "../../machine/resolver.ts";
import { UsageError } from "../getopt.ts";
import { absolute, dataText, rcodeName, reverseName, typeName, typeNumber } from "./records.ts";

interface DigOptions {
  readonly server: string | undefined;
  readonly port: number;
  readonly name: string;
  readonly type: number;
  readonly short: boolean;
  readonly search: boolean;
  readonly recursion: boolean;
  readonly edns: boolean;
  /** Seconds. */
  readonly time: number;
  readonly tries: number;
  readonly show: ReadonlySet<string>;
}

/** The parts of dig's output that +[no]PART turns on and off. */
const PARTS = ["cmd", "comments", "question", "answer", "authority", "additional", "stats"] as const;
const DEFAULT_PAYLOAD = 1232;

function parse(args: readonly string[]): DigOptions {
  const show = new Set<string>(PARTS);
  const switches = new Map<string, boolean>([
    ["short", false],
    ["search", false],
    ["recurse", true],
    ["edns", true],
  ]);
  let [server, name, type, port, time, tries]: [
    string | undefined,
    string | undefined,
    number | undefined,
    number,
    number,
    number,
  ] = [undefined, undefined, undefined, 53, 5, 3];
  const typeOf = (text: string) => {
    const number = typeNumber(text);
    if (number === undefined) throw new UsageError(`dig: invalid type ${text}`);
    return number;
  };
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    const option = /^\+(no)?([a-z]+)(?:=(\d+))?$/.exec(word);
    if (word.startsWith("@")) server = word.slice(1);
    else if (option) {
      const [, no, what = "", value] = option;
      if (what === "time" || what === "timeout") time = Math.max(1, Number(value ?? 5));
      else if (what === "tries") tries = Math.max(1, Number(value ?? 3));
      else if (what === "retry") tries = 1 + Number(value ?? 2);
      else if (what === "all") for (const part of PARTS) no ? show.delete(part) : show.add(part);
      else if ((PARTS as readonly string[]).includes(what)) no ? show.delete(what) : show.add(what);
      else if (switches.has(what)) switches.set(what, !no);
      else if (what === "rec") switches.set("recurse", !no);
      else throw new UsageError(`${word} is not supported on an emulated machine`);
    } else if (word === "-x") [name, type] = [reverseName(args[++at] ?? ""), DNS_TYPE.PTR];
    else if (word === "-t") type = typeOf(args[++at] ?? "");
    else if (word === "-q") name = args[++at];
    else if (word === "-p") port = Number(args[++at]);
    else if (word === "-4" || word === "-6") continue;
    else if (word.startsWith("-")) throw new UsageError(`Invalid option: ${word}`);
    else if (type === undefined && typeNumber(word) !== undefined) type = typeNumber(word);
    else if (word.toUpperCase() !== "IN") name = word;
  }
  const on = (what: string) => switches.get(what) === true;
  return {
    ...{ server, port, time, tries, show },
    name: name ?? ".",
    type: type ?? (name === undefined ? DNS_TYPE.NS : DNS_TYPE.A),
    ...{ short: on("short"), search: on("search"), recursion: on("recurse"), edns: on("edns") },
  };
}

function flagNames(flags: number): string {
  const names: readonly (readonly [string, number])[] = [
    ["qr", DNS_FLAG.response],
    ["aa", DNS_FLAG.authoritative],
    ["tc", DNS_FLAG.truncated],
    ["rd", DNS_FLAG.recursionDesired],
    ["ra", DNS_FLAG.recursionAvailable],
    ["ad", 0x20],
    ["cd", 0x10],
  ];
  return names.flatMap(([name, bit]) => (flags & bit ? [` ${name}`] : [])).join("");
}

function column(text: string, width: number): string {
  return text + "\t".repeat(Math.max(1, Math.ceil((width - text.length) / 8)));
}

const recordLine = (record: DnsRecord) =>
  `${column(absolute(record.name), 24)}${column(String(record.ttl), 8)}IN\t${typeName(record.type)}\t${dataText(record)}\n`;

function section(title: string, records: readonly DnsRecord[]): string {
  return records.length === 0 ? "" : `${title}${records.map(recordLine).join("")}`;
}

const isOpt = ({ type }: DnsRecord) => type === DNS_TYPE.OPT;

function messageText(message: Dns, show: ReadonlySet<string>): string {
  const { answers = [], authorities = [], additionals = [], flags, questions } = message;
  const title = (name: string) => (show.has("comments") ? `;; ${name} SECTION:\n` : "");
  const end = show.has("comments") ? "\n" : "";
  const part = (name: string, key: string, records: readonly DnsRecord[]) =>
    show.has(key) && records.length > 0 ? `${section(title(name), records)}${end}` : "";
  let text = "";
  if (show.has("comments")) {
    text += `;; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: ${rcodeName(flags)}, id: ${message.id}\n`;
    text += `;; flags:${flagNames(flags)}; QUERY: ${questions.length}, ANSWER: ${answers.length}, AUTHORITY: ${authorities.length}, ADDITIONAL: ${additionals.length}\n`;
    if (flags & DNS_FLAG.recursionDesired && !(flags & DNS_FLAG.recursionAvailable))
      text += ";; WARNING: recursion requested but not available\n";
    text += "\n";
    const opt = additionals.find(isOpt);
    if (opt) text += `;; OPT PSEUDOSECTION:\n; EDNS: version: 0, flags:; udp: ${opt.class ?? 0}\n`;
  }
  if (show.has("question")) {
    const lines = questions.map(({ name, type }) => `;${column(absolute(name), 31)}IN\t${typeName(type)}\n`).join("");
    text += `${title("QUESTION")}${lines}${end}`;
  }
  return (
    text +
    part("ANSWER", "answer", answers) +
    part("AUTHORITY", "authority", authorities) +
    part(
      "ADDITIONAL",
      "additional",
      additionals.filter((record) => !isOpt(record)),
    )
  );
}

/** "Thu Nov 26 03:45:15 UTC 2026" */
function whenText(wall: number): string {
  const [, day, date, month, year, time] = /^(\w+), (\d+) (\w+) (\d+) ([\d:]+)/.exec(new Date(wall).toUTCString()) ?? [];
  return `${day} ${month} ${date} ${time} UTC ${year}`;
}

class Dig {
  readonly #context: CommandContext;
  readonly #options: DigOptions;
  readonly #resolver: Resolver;

  constructor(context: CommandContext, options: DigOptions) {
    this.#context = context;
    this.#options = options;
    this.#resolver = new Resolver(context);
  }

  async #servers(): Promise<readonly Ip[]> {
    const { server } = this.#options;
    if (server === undefined) {
      const { servers } = await this.#resolver.settings();
      // Without a resolv.conf, the machine itself.
      return servers.length > 0 ? servers : [parseIp("127.0.0.1")!];
    }
    const found = await this.#resolver.lookup(server);
    if (typeof found === "string") throw new UsageError(`dig: couldn't get address for '${server}': not found`);
    return found.ips;
  }

  async run(args: readonly string[]): Promise<number> {
    const { host } = this.#context;
    const { short, show, search, name, server } = this.#options;
    const write = (text: string) => host.stdout.write(text);
    const servers = await this.#servers();
    const names = search ? await this.#resolver.candidates(name) : [name.replace(/\.$/, "")];
    let answer: DnsAnswer | undefined;
    const failures: string[] = [];
    for (const candidate of names) {
      answer = await this.#ask(servers, candidate, failures);
      if (!answer || !("message" in answer) || (answer.message.flags & 15) === 0) break;
    }
    if (short) {
      await write(failures.join(""));
      if (!answer || !("message" in answer)) {
        await write(";; no servers could be reached\n");
        return 9;
      }
      await write((answer.message.answers ?? []).map((record) => `${dataText(record)}\n`).join(""));
      return 0;
    }
    let head = failures.join("");
    if (show.has("cmd")) {
      head += `\n; <<>> DiG 9.18.49-1~deb12u3-Debian <<>> ${args.join(" ")}\n`;
      if (server !== undefined) head += `; (${servers.length} server${servers.length === 1 ? "" : "s"} found)\n`;
      head += ";; global options: +cmd\n";
    }
    if (!answer || !("message" in answer)) {
      await write(`${head};; no servers could be reached\n`);
      return 9;
    }
    await write(head + messageText(answer.message, show));
    if (show.has("stats")) {
      const address = formatIp(answer.server);
      await write(
        `;; Query time: ${Math.round(answer.ms)} msec\n;; SERVER: ${address}#${this.#options.port}(${server ?? address}) (UDP)\n` +
          `;; WHEN: ${whenText(this.#context.machine.runtime.clock.wall())}\n;; MSG SIZE  rcvd: ${answer.bytes}\n\n`,
      );
    }
    return 0;
  }

  async #ask(servers: readonly Ip[], name: string, failures: string[]): Promise<DnsAnswer | undefined> {
    const { type, port, recursion, edns, time, tries } = this.#options;
    const options = { ms: time * 1000, port, recursion, ...(edns ? { payload: DEFAULT_PAYLOAD } : {}) };
    for (let attempt = 0; attempt < tries; attempt++) {
      for (const server of servers) {
        const answer = await this.#resolver.ask(server, { name, type }, options);
        if ("message" in answer) return answer;
        failures.push(`;; communications error to ${formatIp(server)}#${port}: ${answer.failure}\n`);
      }
    }
    return undefined;
  }
}

export const dig: Command = async (args, context) => {
  try {
    return await new Dig(context, parse(args)).run(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    await context.host.stderr.write(`${error.message}\n`);
    return error.exitCode;
  }
};
