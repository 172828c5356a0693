/** What commands that open TCP connections share. */
import type { Ip } from "../machine/ip.ts";
import type { CommandContext } from "../machine/machine.ts";
import type { TcpConnection } from "../machine/tcp.ts";

/** Why there is no connection; `timedOut`: the given time was over before anybody answered. */
export interface NotConnected {
  readonly message: string;
  readonly timedOut: boolean;
}

/** Opens a connection, within `ms` milliseconds where given. */
export function connectTcp(
  { namespace, machine, host }: CommandContext,
  ip: Ip,
  port: number,
  {
    ms,
    source,
    localPort,
  }: { readonly ms?: number | undefined; readonly source?: Ip | undefined; readonly localPort?: number | undefined },
): Promise<TcpConnection | NotConnected> {
  const connection = namespace.stack.tcp.connect(ip, port, { source, port: localPort });
  return new Promise((resolve) => {
    const stop = () => connection.abort();
    const over = () => {
      resolve({ message: "Operation now in progress", timedOut: true });
      connection.abort();
    };
    const limit = ms === undefined ? undefined : machine.runtime.clock.after(ms, over);
    const settle = (result: TcpConnection | NotConnected) => {
      limit?.cancel();
      host.signal.removeEventListener("abort", stop);
      resolve(result);
    };
    connection.handlers = {
      onConnect: () => settle(connection),
      onClose: (error) => settle({ message: error?.message ?? "Operation canceled", timedOut: false }),
    };
    host.signal.addEventListener("abort", stop, { once: true });
  });
}

/** Addresses in the order of trying: IPv6 first, as far as there is a route to it. */
export function inOrderOfTrying({ namespace }: CommandContext, ips: readonly Ip[]): Ip[] {
  const reachable = (ip: Ip) => ip.family === 4 || namespace.lookup(ip)?.source !== undefined;
  const six = ips.filter(({ family }) => family === 6);
  return [...six.filter(reachable), ...ips.filter(({ family }) => family === 4), ...six.filter((ip) => !reachable(ip))];
}
