/** nc(1) of an emulated machine, as netcat-openbsd: TCP and UDP, client and server, -z to try a port. */
import { type Family, formatIp, type Ip, parseIp } from "../machine/ip.ts";
import type { Command, CommandContext } from "../machine/machine.ts";
import { lookupError, Resolver } from "../machine/resolver.ts";
import type { Received } from "../machine/stack.ts";
import { TcpConnection } from "../machine/tcp.ts";
import { connectTcp, inOrderOfTrying } from "./connect.ts";
import { getopt, numberOf, UsageError } from "./getopt.ts";

interface NcOptions {
  readonly listen: boolean;
  readonly keep: boolean;
  readonly udp: boolean;
  readonly verbose: boolean;
  readonly scan: boolean;
  /** Seconds for a connection to come about, and for silence after it. */
  readonly wait: number | undefined;
  /** Shut our side down at the end of input. */
  readonly shutdown: boolean;
  /** Seconds after the end of input. */
  readonly quit: number | undefined;
  readonly source: Ip | undefined;
  readonly localPort: number | undefined;
  readonly family: Family | undefined;
  /** -n: no names. */
  readonly numeric: boolean;
}

function parse(args: readonly string[]): { options: NcOptions; operands: readonly string[] } {
  const { options: given, operands } = getopt(args, "46dklNnp:q:s:uvw:z");
  const value = (letter: string) => given.findLast((option) => option.letter === letter)?.value;
  const has = (letter: string) => value(letter) !== undefined;
  const number = (letter: string) => {
    const text = value(letter);
    return text === undefined ? undefined : numberOf(text, { whole: false });
  };
  const sourceText = value("s");
  const source = sourceText === undefined ? undefined : parseIp(sourceText);
  if (sourceText !== undefined && !source) throw new UsageError(`${sourceText}: Name or service not known`);
  return {
    options: {
      listen: has("l"),
      keep: has("k"),
      udp: has("u"),
      verbose: has("v"),
      scan: has("z"),
      wait: number("w"),
      shutdown: has("N"),
      quit: number("q"),
      source,
      localPort: number("p"),
      family: has("4") ? 4 : has("6") ? 6 : undefined,
      numeric: has("n"),
    },
    operands,
  };
}

function portNumber(text: string | undefined): number {
  if (text === undefined) throw new UsageError("missing port number");
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65535) throw new UsageError(`port number invalid: ${text}`);
  return port;
}

const protocolName = (options: NcOptions) => (options.udp ? "udp" : "tcp");

/** Copies our input into a connection and what comes from it to our output, until one of them ends. */
async function talk(connection: TcpConnection, options: NcOptions, { host, machine }: CommandContext): Promise<void> {
  const { clock } = machine.runtime;
  let drained: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => {
    connection.handlers = {
      onData: (bytes) => void host.stdout.write(bytes),
      onEnd: () => connection.end(),
      onDrain: () => drained(),
      onClose: () => {
        drained();
        resolve();
      },
    };
  });
  const abort = () => connection.abort();
  host.signal.addEventListener("abort", abort, { once: true });
  void (async () => {
    for await (const bytes of host.stdin) {
      if (connection.state === "CLOSED") return;
      if (!connection.write(bytes)) {
        await new Promise<void>((resolve) => {
          drained = resolve;
        });
      }
    }
    if (options.shutdown) connection.end();
    if (options.quit !== undefined) clock.after(options.quit * 1000, () => connection.end());
  })();
  await closed;
  host.signal.removeEventListener("abort", abort);
}

async function client(options: NcOptions, operands: readonly string[], context: CommandContext): Promise<number> {
  const { host } = context;
  const [name, portText] = operands;
  if (name === undefined) throw new UsageError("missing hostname and port number");
  const port = portNumber(portText);
  const found = await new Resolver(context).lookup(name, options.family);
  if (typeof found === "string") throw new UsageError(`getaddrinfo for host "${name}" port ${port}: ${lookupError(found)}`);
  const ips = inOrderOfTrying(context, found.ips);
  const numeric = parseIp(name) !== undefined;
  const shown = (ip: Ip) => (numeric ? name : `${name} (${formatIp(ip)})`);
  const service = serviceName(port, options);
  const said = (ip: Ip) => `Connection to ${shown(ip)} ${port} port [${protocolName(options)}/${service}] succeeded!\n`;
  if (options.udp) return udpClient(options, ips[0]!, port, said(ips[0]!), context);
  for (const ip of ips) {
    const ms = options.wait === undefined ? undefined : options.wait * 1000;
    const result = await connectTcp(context, ip, port, { ms, source: options.source, localPort: options.localPort });
    if (!(result instanceof TcpConnection)) {
      const how = result.timedOut ? "timed out" : "failed";
      if (options.verbose) await host.stderr.write(`nc: connect to ${shown(ip)} port ${port} (tcp) ${how}: ${result.message}\n`);
      continue;
    }
    if (options.verbose) await host.stderr.write(said(ip));
    if (options.scan) result.end();
    else await talk(result, options, context);
    return 0;
  }
  return 1;
}

/** As in services(5): what people try ports of. */
const services: Readonly<Record<number, string>> = {
  22: "ssh",
  53: "domain",
  67: "bootps",
  68: "bootpc",
  80: "http",
  123: "ntp",
  443: "https",
  8080: "http-alt",
};

function serviceName(port: number, { numeric }: NcOptions): string {
  return numeric ? "*" : (services[port] ?? "*");
}

async function udpClient(
  options: NcOptions,
  ip: Ip,
  port: number,
  said: string,
  { host, namespace, machine }: CommandContext,
): Promise<number> {
  const { clock } = machine.runtime;
  let refused = false;
  let over: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    over = resolve;
  });
  const socket = namespace.stack.udp.bind(options.source, options.localPort ?? 0, (bytes) => void host.stdout.write(bytes));
  // A closed port answers with an ICMP error that quotes our datagram.
  const onIcmp = (received: Received) => {
    const quoted = received.layers.some(
      ({ header }) => header.kind === "udp" && header.dstPort === port && header.srcPort === socket.port,
    );
    if (!quoted) return;
    refused = true;
    over();
  };
  namespace.stack.icmpListeners.add(onIcmp);
  host.signal.addEventListener("abort", over, { once: true });
  if (options.wait !== undefined) clock.after(options.wait * 1000, over);
  if (options.scan) {
    socket.send(new TextEncoder().encode("X"), ip, port);
    clock.after(1000, over);
  } else {
    void (async () => {
      for await (const bytes of host.stdin) socket.send(bytes, ip, port);
      if (options.quit !== undefined) clock.after(options.quit * 1000, over);
    })();
  }
  if (options.verbose && !options.scan) await host.stderr.write(said);
  await ended;
  namespace.stack.icmpListeners.delete(onIcmp);
  socket.close();
  if (!refused && options.scan && options.verbose) await host.stderr.write(said);
  return refused ? 1 : 0;
}

async function server(options: NcOptions, operands: readonly string[], context: CommandContext): Promise<number> {
  const { host, namespace } = context;
  const [first, second] = operands;
  const port = portNumber(second ?? options.localPort?.toString() ?? first);
  const address = second === undefined ? options.source : parseIp(first!);
  const listening = `Listening on ${address ? formatIp(address) : options.family === 6 ? "::" : "0.0.0.0"} ${port}\n`;
  const received = (ip: Ip, from: number) => `Connection received on ${formatIp(ip)} ${from}\n`;
  if (options.udp) {
    let peer: { ip: Ip; port: number } | undefined;
    const socket = namespace.stack.udp.bind(address, port, (bytes, from) => {
      if (!peer && options.verbose) void host.stderr.write(received(from.ip, from.port));
      peer = from;
      void host.stdout.write(bytes);
    });
    if (options.verbose) await host.stderr.write(listening);
    void (async () => {
      for await (const bytes of host.stdin) if (peer) socket.send(bytes, peer.ip, peer.port);
    })();
    await new Promise<void>((resolve) => host.signal.addEventListener("abort", () => resolve(), { once: true }));
    socket.close();
    return 0;
  }
  if (options.verbose) await host.stderr.write(listening);
  do {
    const connection = await new Promise<TcpConnection | undefined>((resolve) => {
      const listener = namespace.stack.tcp.listen(address, port, (accepted) => {
        listener.close();
        resolve(accepted);
      });
      host.signal.addEventListener(
        "abort",
        () => {
          listener.close();
          resolve(undefined);
        },
        { once: true },
      );
    });
    if (!connection) return 1;
    if (options.verbose) await host.stderr.write(received(connection.remote.ip, connection.remote.port));
    await talk(connection, options, context);
  } while (options.keep && !host.signal.aborted);
  return 0;
}

export const nc: Command = async (args, context) => {
  try {
    const { options, operands } = parse(args);
    return await (options.listen ? server(options, operands, context) : client(options, operands, context));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    await context.host.stderr.write(`nc: ${error.message}\n`);
    return 1;
  }
};
