/** curl(1) of an emulated machine: HTTP/1.1 without TLS, with the texts of curl's. It never shows a progress meter. */
import { formatIp, type Ip, parseIp } from "../../machine/ip.ts";
import type { Command, CommandContext } from "../../machine/machine.ts";
import { Resolver } from "../../machine/resolver.ts";
import { TcpConnection } from "../../machine/tcp.ts";
import { connectTcp, inOrderOfTrying } from "../connect.ts";
import { getopt, numberOf, UsageError } from "../getopt.ts";
import { ResponseReader } from "./response.ts";

interface CurlOptions {
  readonly silent: boolean;
  readonly showError: boolean;
  readonly verbose: boolean;
  /** -i: headers before the body; -I: headers alone. */
  readonly include: boolean;
  readonly head: boolean;
  readonly fail: boolean;
  readonly output: string | undefined;
  readonly format: string | undefined;
  readonly method: string | undefined;
  readonly data: string | undefined;
  readonly headers: readonly string[];
  readonly agent: string;
  readonly family: 4 | 6 | undefined;
  readonly source: string | undefined;
  /** Milliseconds: for the connection, and for everything. */
  readonly connectTimeout: number | undefined;
  readonly maxTime: number | undefined;
}

const long: Readonly<Record<string, string>> = {
  silent: "s",
  "show-error": "S",
  verbose: "v",
  include: "i",
  head: "I",
  fail: "f",
  output: "o",
  "write-out": "w",
  request: "X",
  data: "d",
  header: "H",
  "user-agent": "A",
  "max-time": "m",
  "connect-timeout": "T",
  interface: "N",
  ipv4: "4",
  ipv6: "6",
};

function parse(args: readonly string[]): { options: CurlOptions; urls: readonly string[] } {
  const { options: given, operands } = getopt(args, "sSviIfo:w:X:d:H:A:m:T:N:46gLk", long);
  const value = (letter: string) => given.findLast((option) => option.letter === letter)?.value;
  const has = (letter: string) => value(letter) !== undefined;
  const ms = (letter: string) => {
    const text = value(letter);
    return text === undefined ? undefined : numberOf(text, { whole: false }) * 1000;
  };
  return {
    options: {
      silent: has("s"),
      showError: has("S"),
      verbose: has("v"),
      include: has("i"),
      head: has("I"),
      fail: has("f"),
      output: value("o"),
      format: value("w"),
      method: value("X"),
      data: value("d"),
      headers: given.filter(({ letter }) => letter === "H").map((option) => option.value),
      agent: value("A") ?? "curl/7.88.1",
      family: has("4") ? 4 : has("6") ? 6 : undefined,
      source: value("N"),
      connectTimeout: ms("T"),
      maxTime: ms("m"),
    },
    urls: operands,
  };
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** As the Host header has it. */
  readonly authority: string;
}

/** An error with curl's exit code. */
class CurlError extends UsageError {}

function targetOf(text: string): Target {
  const match = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(\[[0-9a-fA-F:.]+\]|[^/:?#]+)(?::(\d{1,5}))?([/?][^#]*)?/i.exec(text);
  const [, scheme = "http", host = "", port, path = "/"] = match ?? [];
  if (!match) throw new CurlError("URL using bad/illegal format or missing URL", 3);
  if (scheme.toLowerCase() !== "http") throw new CurlError(`Protocol "${scheme}" not supported or disabled in libcurl`, 1);
  return {
    host: host.replace(/^\[|\]$/g, ""),
    port: Number(port ?? 80),
    path: path.startsWith("/") ? path : `/${path}`,
    authority: port === undefined || port === "80" ? host : `${host}:${port}`,
  };
}

class Transfer {
  readonly #context: CommandContext;
  readonly #options: CurlOptions;
  readonly #target: Target;
  readonly #start: number;
  #end = Number.POSITIVE_INFINITY;

  constructor(context: CommandContext, options: CurlOptions, target: Target) {
    this.#context = context;
    this.#options = options;
    this.#target = target;
    this.#start = this.#clock.now();
    if (options.maxTime !== undefined) this.#end = this.#start + options.maxTime;
  }

  get #clock() {
    return this.#context.machine.runtime.clock;
  }

  #verbose(text: string): void {
    if (this.#options.verbose) void this.#context.host.stderr.write(text);
  }

  async run(): Promise<void> {
    const { host, port } = this.#target;
    const found = await new Resolver(this.#context).lookup(host, this.#options.family);
    if (typeof found === "string") throw new CurlError(`Could not resolve host: ${host}`, 6);
    const connection = await this.#connect(inOrderOfTrying(this.#context, found.ips));
    this.#verbose(`* Connected to ${host} (${formatIp(connection.remote.ip)}) port ${port} (#0)\n`);
    const response = await this.#exchange(connection);
    this.#verbose("* Closing connection 0\n");
    await this.#show(response);
  }

  #source(family: 4 | 6): Ip | undefined {
    const { source } = this.#options;
    if (source === undefined) return undefined;
    const device = this.#context.namespace.device(source);
    const own = this.#context.namespace.addresses.find(
      (address) => address.device === device && address.network.address.family === family,
    );
    const ip = parseIp(source) ?? own?.network.address;
    if (!ip) throw new CurlError("bind failed with errno 99: Cannot assign requested address", 45);
    return ip;
  }

  async #connect(ips: readonly Ip[]): Promise<TcpConnection> {
    const { host, port } = this.#target;
    const limit = Math.min(this.#options.connectTimeout ?? Number.POSITIVE_INFINITY, this.#end - this.#clock.now());
    const spent = () => Math.floor(this.#clock.now() - this.#start);
    for (const ip of ips) {
      const shown = formatIp(ip);
      this.#verbose(`*   Trying ${ip.family === 6 ? `[${shown}]` : shown}:${port}...\n`);
      const ms = Number.isFinite(limit) ? limit : undefined;
      const result = await connectTcp(this.#context, ip, port, { ms, source: this.#source(ip.family) });
      if (result instanceof TcpConnection) return result;
      if (result.timedOut) {
        if (this.#clock.now() >= this.#end) throw new CurlError(`Connection timed out after ${spent()} milliseconds`, 28);
        throw new CurlError(`Failed to connect to ${host} port ${port} after ${spent()} ms: Timeout was reached`, 28);
      }
      this.#verbose(`* connect to ${shown} port ${port} failed: ${result.message}\n`);
    }
    const text = `Failed to connect to ${host} port ${port} after ${spent()} ms: Couldn't connect to server`;
    this.#verbose(`* ${text}\n* Closing connection 0\n`);
    throw new CurlError(text, 7);
  }

  #request(): string {
    const { head, method, data, headers, agent } = this.#options;
    const verb = method ?? (head ? "HEAD" : data === undefined ? "GET" : "POST");
    const usual = [`Host: ${this.#target.authority}`, `User-Agent: ${agent}`, "Accept: */*"];
    const given = (line: string) => headers.some((own) => own.toLowerCase().startsWith(`${line.split(":")[0]!.toLowerCase()}:`));
    const lines = [
      `${verb} ${this.#target.path} HTTP/1.1`,
      ...usual.filter((line) => !given(line)),
      ...headers,
      ...(data === undefined ? [] : [`Content-Length: ${data.length}`, "Content-Type: application/x-www-form-urlencoded"]),
    ];
    return lines.map((line) => `${line}\r\n`).join("");
  }

  async #exchange(connection: TcpConnection): Promise<ResponseReader> {
    const request = this.#request();
    this.#verbose(marked("> ", `${request}\r\n`));
    const reader = new ResponseReader(this.#options.head);
    const outcome = await new Promise<"whole" | "timeout" | Error | undefined>((resolve) => {
      const ms = this.#end - this.#clock.now();
      const limit = Number.isFinite(ms) ? this.#clock.after(ms, () => resolve("timeout")) : undefined;
      const settle = (result: "whole" | Error | undefined) => {
        limit?.cancel();
        resolve(result);
      };
      connection.handlers = {
        onData: (bytes) => {
          if (reader.push(bytes)) settle("whole");
        },
        onEnd: () => settle(undefined),
        onClose: settle,
      };
      this.#context.host.signal.addEventListener("abort", () => connection.abort(), { once: true });
      connection.write(new TextEncoder().encode(`${request}\r\n${this.#options.data ?? ""}`));
    });
    connection.end();
    if (outcome === "timeout") {
      connection.abort();
      const spent = Math.floor(this.#clock.now() - this.#start);
      throw new CurlError(`Operation timed out after ${spent} milliseconds with ${reader.received} bytes received`, 28);
    }
    if (outcome instanceof Error) throw new CurlError(`Recv failure: ${outcome.message}`, 56);
    if (outcome === undefined && reader.status === undefined) throw new CurlError("Empty reply from server", 52);
    if (reader.version === "1.0") this.#verbose("* HTTP 1.0, assume close after body\n");
    this.#verbose(marked("< ", reader.headText));
    return reader;
  }

  async #show(response: ResponseReader): Promise<void> {
    const { include, head, fail, output, format } = this.#options;
    const { stdout } = this.#context.host;
    if (fail && (response.status ?? 0) >= 400) throw new CurlError(`The requested URL returned error: ${response.status}`, 22);
    const start = include || head ? new TextEncoder().encode(response.headText) : new Uint8Array();
    const bytes = Uint8Array.from([...start, ...response.body]);
    if (output === undefined) await stdout.write(bytes);
    else if (output !== "/dev/null") await this.#context.machine.runtime.files.write(output, bytes);
    if (format !== undefined) await stdout.write(this.#formatted(format, response));
  }

  #formatted(format: string, response: ResponseReader): string {
    const seconds = ((this.#clock.now() - this.#start) / 1000).toFixed(6);
    const values: Readonly<Record<string, string>> = {
      http_code: String(response.status ?? 0).padStart(3, "0"),
      response_code: String(response.status ?? 0).padStart(3, "0"),
      size_download: String(response.body.length),
      time_total: seconds,
    };
    const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };
    return format
      .replace(/\\([ntr])/g, (_, letter: string) => escapes[letter]!)
      .replace(/%\{(\w+)\}/g, (_, name: string) => values[name] ?? "");
  }
}

/** The lines of a head, each behind the mark that -v gives it. */
function marked(mark: string, head: string): string {
  return head
    .split("\r\n")
    .slice(0, -1)
    .map((line) => `${mark}${line}\n`)
    .join("");
}

export const curl: Command = async (args, context) => {
  const { stderr } = context.host;
  let options: CurlOptions;
  let urls: readonly string[];
  try {
    ({ options, urls } = parse(args));
    if (urls.length === 0) throw new UsageError("no URL specified!");
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    await stderr.write(`curl: ${error.message}\ncurl: try 'curl --help' or 'curl --manual' for more information\n`);
    return 2;
  }
  let code = 0;
  for (const url of urls) {
    try {
      await new Transfer(context, options, targetOf(url)).run();
    } catch (error) {
      if (!(error instanceof CurlError)) throw error;
      code = error.exitCode;
      if (!options.silent || options.showError) await stderr.write(`curl: (${code}) ${error.message}\n`);
    }
  }
  return code;
};
