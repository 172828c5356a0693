/** `python3 -m http.server` of an emulated machine: serves the machine's files, and logs as Python's does. */
import { formatIp, type Ip, parseIp } from "../../machine/ip.ts";
import type { Command, CommandContext } from "../../machine/machine.ts";
import type { TcpConnection } from "../../machine/tcp.ts";
import { UsageError } from "../getopt.ts";

interface ServerOptions {
  readonly port: number;
  readonly bind: Ip | undefined;
  readonly directory: string;
}

function parse(args: readonly string[], cwd: string): ServerOptions {
  let port = 8000;
  let bind: Ip | undefined;
  let directory = cwd;
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    const [option, inline] = word.startsWith("--") ? (word.split("=", 2) as [string, string?]) : [word];
    const value = () => inline ?? args[++at] ?? "";
    if (option === "--bind" || option === "-b") {
      const text = value();
      bind = parseIp(text);
      if (!bind) throw new UsageError(`${text}: Name or service not known`);
    } else if (option === "--directory" || option === "-d") directory = value();
    else if (/^\d{1,5}$/.test(word) && Number(word) < 65536) port = Number(word);
    else throw new UsageError(`server.py: error: unrecognized arguments: ${word}`, 2);
  }
  return { port, bind, directory: directory.replace(/\/+$/, "") };
}

interface Reply {
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string | Uint8Array;
}

const page = (title: string, body: string) => `<!DOCTYPE HTML>
<html lang="en">
${body.replaceAll("TITLE", title)}</html>
`;

/** Python's words for the errors that this server gives. */
const errors: Readonly<Record<number, readonly [string, string]>> = {
  400: ["Bad Request", "Bad request syntax or unsupported method"],
  404: ["File not found", "Nothing matches the given URI"],
  501: ["Unsupported method", "Server does not support this operation"],
};

function errorReply(status: number, message: string): Reply {
  const body = page(
    "Error response",
    `    <head>
        <meta charset="utf-8">
        <title>TITLE</title>
    </head>
    <body>
        <h1>TITLE</h1>
        <p>Error code: ${status}</p>
        <p>Message: ${escaped(message)}.</p>
        <p>Error code explanation: ${status} - ${errors[status]![1]}.</p>
    </body>
`,
  );
  const headers = [
    ["Connection", "close"],
    ["Content-Type", "text/html;charset=utf-8"],
    ["Content-Length", String(body.length)],
  ] as const;
  return { status, reason: message, headers, body };
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

const types: Readonly<Record<string, string>> = {
  html: "text/html",
  htm: "text/html",
  txt: "text/plain",
  json: "application/json",
};

class Server {
  readonly #context: CommandContext;
  readonly #options: ServerOptions;
  readonly #started: number;

  constructor(context: CommandContext, options: ServerOptions) {
    this.#context = context;
    this.#options = options;
    this.#started = context.machine.runtime.clock.wall();
  }

  serve(connection: TcpConnection): void {
    let text = "";
    connection.handlers = {
      onData: (bytes) => {
        text += new TextDecoder("latin1").decode(bytes);
        const end = text.indexOf("\r\n\r\n");
        if (end < 0) return;
        connection.handlers = { onEnd: () => connection.end() };
        void this.#answer(connection, text.slice(0, end));
      },
      onEnd: () => connection.end(),
    };
  }

  async #answer(connection: TcpConnection, head: string): Promise<void> {
    const [line = ""] = head.split("\r\n");
    const [method = "", path = "", version] = line.split(" ");
    const log = (what: string) => this.#log(connection.remote.ip, what);
    let reply: Reply;
    if (version === undefined) reply = errorReply(400, `Bad request syntax (${JSON.stringify(line)})`);
    else if (method !== "GET" && method !== "HEAD") reply = errorReply(501, `Unsupported method ('${method}')`);
    else reply = await this.#file(path);
    if (reply.status >= 400) await log(`code ${reply.status}, message ${reply.reason}`);
    await log(`"${line}" ${reply.status} -`);
    const date = new Date(this.#context.machine.runtime.clock.wall()).toUTCString();
    const headers = [["Server", "SimpleHTTP/0.6 Python/3.11.2"], ["Date", date], ...reply.headers];
    const text = `HTTP/1.0 ${reply.status} ${reply.reason}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
    connection.write(new TextEncoder().encode(text));
    if (method !== "HEAD") connection.write(typeof reply.body === "string" ? new TextEncoder().encode(reply.body) : reply.body);
    connection.end();
  }

  async #file(url: string): Promise<Reply> {
    const path = decodeURIComponentOrNothing(url.split(/[?#]/)[0]!);
    const { files } = this.#context.machine.runtime;
    // ".." and empty parts do not leave the directory.
    const parts = path?.split("/").filter((part) => part !== "" && part !== "." && part !== "..");
    if (!parts) return errorReply(404, errors[404]![0]);
    const base = [this.#options.directory, ...parts].join("/");
    const asFolder = path!.endsWith("/");
    const index = `${base}/index.html`;
    const names = await files.list(base === "" ? "/" : base);
    if (names.length > 0) {
      if (!asFolder) {
        const headers = [
          ["Location", `${url}/`],
          ["Content-Length", "0"],
        ] as const;
        return { status: 301, reason: "Moved Permanently", headers, body: "" };
      }
      return (await files.exists(index)) ? this.#contents(index) : this.#listing(path!, names);
    }
    return !asFolder && (await files.exists(base)) ? this.#contents(base) : errorReply(404, errors[404]![0]);
  }

  async #contents(path: string): Promise<Reply> {
    const body = await this.#context.machine.runtime.files.read(path);
    const type = types[path.split(".").at(-1)!] ?? "application/octet-stream";
    const headers = [
      ["Content-type", type],
      ["Content-Length", String(body.length)],
      ["Last-Modified", new Date(this.#started).toUTCString()],
    ] as const;
    return { status: 200, reason: "OK", headers, body };
  }

  #listing(path: string, names: readonly string[]): Reply {
    const items = [...names]
      .sort()
      .map((name) => `<li><a href="${encodeURIComponent(name)}">${escaped(name)}</a></li>\n`)
      .join("");
    const body = page(
      `Directory listing for ${escaped(path)}`,
      `<head>
<meta charset="utf-8">
<title>TITLE</title>
</head>
<body>
<h1>TITLE</h1>
<hr>
<ul>
${items}</ul>
<hr>
</body>
`,
    );
    const headers = [
      ["Content-type", "text/html; charset=utf-8"],
      ["Content-Length", String(new TextEncoder().encode(body).length)],
    ] as const;
    return { status: 200, reason: "OK", headers, body };
  }

  async #log(from: Ip, what: string): Promise<void> {
    const [, date, month, year, time] = /, (\d+) (\w+) (\d+) ([\d:]+)/.exec(
      new Date(this.#context.machine.runtime.clock.wall()).toUTCString(),
    )!;
    await this.#context.host.stderr.write(`${formatIp(from)} - - [${date}/${month}/${year} ${time}] ${what}\n`);
  }
}

function decodeURIComponentOrNothing(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

/** `python3 -m http.server [PORT]`; whatever else Python can do is not there. */
export const python3: Command = async (args, context) => {
  const { host, namespace } = context;
  if (!isHttpServer(args)) {
    await host.stderr.write("python3: of Python, an emulated machine has only -m http.server\n");
    return 1;
  }
  try {
    const options = parse(args.slice(args.indexOf("http.server") + 1), host.cwd);
    const server = new Server(context, options);
    const listener = namespace.stack.tcp.listen(options.bind, options.port, (connection) => server.serve(connection));
    const shown = options.bind ? formatIp(options.bind) : "0.0.0.0";
    const url = options.bind?.family === 6 ? `[${shown}]` : shown;
    await host.stdout.write(`Serving HTTP on ${shown} port ${options.port} (http://${url}:${options.port}/) ...\n`);
    await new Promise<void>((resolve) => {
      if (host.signal.aborted) resolve();
      host.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    listener.close();
    await host.stdout.write("\nKeyboard interrupt received, exiting.\n");
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    await host.stderr.write(`${error.message}\n`);
    return error.exitCode;
  }
};

export function isHttpServer(args: readonly string[]): boolean {
  const at = args.indexOf("-m");
  return at >= 0 && args[at + 1] === "http.server";
}
