/** host(1), nslookup(1) and getent(1) of an emulated machine, with the output of BIND's and the C library's. */
import { DNS_TYPE, type Dns, type DnsRecord, formatIpv4, formatIpv6 } from "@weft/packet";
import { formatIp, type Ip, parseIp } from "../../machine/ip.ts";
import type { Command, CommandContext } from "../../machine/machine.ts";
import { type DnsAnswer, Resolver } from "../../machine/resolver.ts";
import { inOrderOfTrying } from "../connect.ts";
import { getopt, UsageError } from "../getopt.ts";
import { absolute, dataText, rcodeName, reverseName, typeName, typeNumber } from "./records.ts";

/** A resolver that asks the given server, or those of resolv.conf. */
class Asker {
  readonly resolver: Resolver;
  server: Ip | undefined;

  constructor(context: CommandContext) {
    this.resolver = new Resolver(context);
  }

  /** The first name of the search list that exists, asked for each type until one is not answered. */
  async ask(name: string, types: readonly number[]): Promise<{ readonly name: string; readonly answers: readonly DnsAnswer[] }> {
    let result: { name: string; answers: DnsAnswer[] } = { name, answers: [] };
    for (const candidate of await this.resolver.candidates(name)) {
      const answers: DnsAnswer[] = [];
      for (const type of types) {
        const answer = await this.#one(candidate, type);
        if (answer) answers.push(answer);
        if (!answer || "failure" in answer || (answers.length === 1 && (answer.message.flags & 15) !== 0)) break;
      }
      const [first] = answers;
      if (first && "message" in first && (first.message.flags & 15) === 0) return { name: candidate, answers };
      result = { name, answers };
    }
    return result;
  }

  #one(name: string, type: number): Promise<DnsAnswer | undefined> {
    const { server, resolver } = this;
    return server ? resolver.ask(server, { name, type }, { ms: 5000 }) : resolver.query({ name, type });
  }

  async serverGiven(text: string): Promise<void> {
    const found = await this.resolver.lookup(text);
    if (typeof found === "string") throw new UsageError(`couldn't get address for '${text}': not found`);
    this.server = found.ips[0];
  }
}

function hostLine(record: DnsRecord): string {
  const { data, name, type } = record;
  if (data.type === "A") return `${name} has address ${formatIpv4(data.address)}\n`;
  if (data.type === "AAAA") return `${name} has IPv6 address ${formatIpv6(data.address)}\n`;
  const words: Readonly<Record<number, string>> = {
    [DNS_TYPE.CNAME]: "is an alias for",
    [DNS_TYPE.PTR]: "domain name pointer",
    [DNS_TYPE.NS]: "name server",
    [DNS_TYPE.MX]: "mail is handled by",
    [DNS_TYPE.TXT]: "descriptive text",
  };
  return `${name} ${words[type] ?? `has ${typeName(type)} record`} ${dataText(record)}\n`;
}

const UNREACHED = ";; connection timed out; no servers could be reached\n";
const failed = (flags: number) => `${flags & 15}(${rcodeName(flags)})`;
/** What host asks for without -t. */
const USUAL = [DNS_TYPE.A, DNS_TYPE.AAAA, DNS_TYPE.MX];

export const hostCommand: Command = async (args, context) => {
  const { stdout, stderr } = context.host;
  try {
    const { options, operands } = getopt(args, "46aCdlrTvwt:W:R:");
    const [name, server] = operands;
    if (name === undefined) throw new UsageError("Usage: host [-t type] name [server]");
    const asker = new Asker(context);
    if (server !== undefined) {
      await asker.serverGiven(server);
      const address = asker.server ? formatIp(asker.server) : "";
      await stdout.write(`Using domain server:\nName: ${server}\nAddress: ${address}#53\nAliases: \n\n`);
    }
    const typeText = options.findLast(({ letter }) => letter === "t")?.value;
    const type = typeText === undefined ? undefined : typeNumber(typeText);
    if (typeText !== undefined && type === undefined) throw new UsageError(`host: invalid type: ${typeText}`);
    const reverse = parseIp(name) !== undefined && type === undefined;
    const asked = reverse ? absolute(reverseName(name)) : name;
    const types = type !== undefined ? [type] : reverse ? [DNS_TYPE.PTR] : USUAL;
    const { name: full, answers } = await asker.ask(asked, types);
    let code = answers.length === 0 ? 1 : 0;
    if (code !== 0) await stdout.write(UNREACHED);
    for (const answer of answers) {
      if ("failure" in answer) {
        await stdout.write(UNREACHED);
        return 1;
      }
      const { flags, answers: records = [] } = answer.message;
      if ((flags & 15) !== 0) {
        await stdout.write(`Host ${full} not found: ${failed(flags)}\n`);
        code = 1;
      } else if (records.length === 0 && type !== undefined) await stdout.write(`${full} has no ${typeName(type)} record\n`);
      else await stdout.write(records.map(hostLine).join(""));
    }
    return code;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    await stderr.write(`${error.message}\n`);
    return error.exitCode;
  }
};

function nslookupRecords({ answers = [] }: Dns): string {
  return answers
    .map((record) => {
      const { name, data, type } = record;
      if (data.type === "A" || data.type === "AAAA") return `Name:\t${name}\nAddress: ${dataText(record)}\n`;
      if (type === DNS_TYPE.PTR) return `${name}\tname = ${dataText(record)}\n`;
      if (type === DNS_TYPE.CNAME) return `${name}\tcanonical name = ${dataText(record)}\n`;
      return `${name}\t${typeName(type).toLowerCase()} = ${dataText(record)}\n`;
    })
    .join("");
}

export const nslookup: Command = async (args, context) => {
  const { stdout, stderr } = context.host;
  try {
    const operands = args.filter((word) => !word.startsWith("-"));
    const typeText = args.map((word) => /^-(?:query)?type=(\w+)$|^-q=(\w+)$/.exec(word)).find((match) => match);
    const type = typeText ? typeNumber(typeText[1] ?? typeText[2]!) : undefined;
    const [name, server] = operands;
    if (name === undefined) throw new UsageError("interactive mode is not supported on an emulated machine");
    const asker = new Asker(context);
    if (server !== undefined) await asker.serverGiven(server);
    const reverse = parseIp(name) !== undefined;
    const asked = reverse ? absolute(reverseName(name)) : name;
    const types = type !== undefined ? [type] : reverse ? [DNS_TYPE.PTR] : [DNS_TYPE.A, DNS_TYPE.AAAA];
    const { name: full, answers } = await asker.ask(asked, types);
    const [first] = answers;
    if (!first || "failure" in first) {
      await stdout.write(`${UNREACHED}\n`);
      return 1;
    }
    const address = formatIp(first.server);
    const messages = answers.flatMap((answer) => ("message" in answer ? [answer.message] : []));
    const wrong = messages.slice(0, 1).find(({ flags }) => (flags & 15) !== 0);
    let text = reverse && !wrong ? "" : `Server:\t\t${server ?? address}\nAddress:\t${address}#53\n\n`;
    if (wrong) text += `** server can't find ${full.replace(/\.$/, "")}: ${rcodeName(wrong.flags)}\n\n`;
    else {
      const records = messages.map(nslookupRecords).join("");
      text += records === "" ? `*** Can't find ${full}: No answer\n\n` : `${records}\n`;
    }
    await stdout.write(text);
    return wrong ? 1 : 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    await stderr.write(`nslookup: ${error.message}\n`);
    return error.exitCode;
  }
};

/** The exit code of getent(1) for a key that was not found. */
const NOT_FOUND = 2;

export const getent: Command = async ([database, ...keys], context) => {
  const { stdout, stderr } = context.host;
  const families: Readonly<Record<string, 4 | 6 | undefined>> = { hosts: undefined, ahosts: undefined, ahostsv4: 4, ahostsv6: 6 };
  if (database === undefined || !(database in families)) {
    await stderr.write(`getent: ${database ?? ""}: only hosts, ahosts, ahostsv4 and ahostsv6 are there on an emulated machine\n`);
    return 1;
  }
  const resolver = new Resolver(context);
  let code = 0;
  for (const key of keys) {
    const found = await resolver.lookup(key, families[database]);
    if (typeof found === "string") {
      code = NOT_FOUND;
      continue;
    }
    const { name: full, ips } = found;
    if (database === "hosts") {
      // Of both families, only the IPv6 addresses.
      const six = ips.filter(({ family }) => family === 6);
      const shown = six.length > 0 ? six : ips;
      await stdout.write(shown.map((ip) => `${formatIp(ip).padEnd(15)} ${full}\n`).join(""));
    } else {
      await stdout.write(
        inOrderOfTrying(context, ips)
          .flatMap((ip, i) => ["STREAM", "DGRAM", "RAW"].map((kind, j) => [ip, kind, i + j === 0 ? full : ""] as const))
          .map(([ip, kind, name]) => `${formatIp(ip).padEnd(15)} ${kind.padEnd(6)} ${name}\n`)
          .join(""),
      );
    }
  }
  return code;
};
