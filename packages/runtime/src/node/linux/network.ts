/** {@link HostNetwork} on Linux: netlink for what there is, packet sockets and TAP devices for frames. */
import type {
  DatagramHeader,
  DatagramReceiver,
  FrameDevice,
  HostAddress,
  HostLink,
  HostNetwork,
  HostRoute,
  IpSender,
  LinkDriver,
} from "../../hostNetwork.ts";
import { driverOf } from "./ethtool.ts";
import { openUdp, RawIp } from "./ipSockets.ts";
import { type Libc, lastError, loadLibc } from "./libc.ts";
import { ReceiveMessages, SendPool } from "./messages.ts";
import { NetlinkSocket } from "./netlinkSocket.ts";
import { PacketSocket } from "./packetSocket.ts";
import { Poller } from "./poller.ts";
import { addressOf, linkOf, RTM, routeOf, setLinkRequest } from "./rtnetlink.ts";
import { Tap } from "./tap.ts";

/** News that come together are looked at together, and a host whose tables take long to read is not read all the time. */
const SETTLE_MS = 10;
const REST_FACTOR = 10;

class LinuxNetwork implements HostNetwork {
  readonly #libc: Libc;
  readonly #poller: Poller;
  readonly #netlink: NetlinkSocket;
  readonly #received: ReceiveMessages;
  readonly #pool: SendPool;
  readonly #listeners = new Set<() => void>();
  #byName = new Map<string, HostLink>();
  #timer: NodeJS.Timeout | undefined;
  #took = 0;
  links = new Map<number, HostLink>();
  addresses: readonly HostAddress[] = [];
  routes: readonly HostRoute[] = [];

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#netlink = new NetlinkSocket(libc);
    this.#poller = new Poller(libc);
    this.#received = new ReceiveMessages(libc);
    this.#pool = new SendPool(libc);
    this.#poller.add(this.#netlink.news, () => {
      this.#netlink.drain();
      this.#timer ??= setTimeout(() => this.#changed(), Math.max(SETTLE_MS, this.#took * REST_FACTOR)).unref();
    });
    this.#readAll();
  }

  #changed(): void {
    this.#timer = undefined;
    this.#readAll();
    for (const listener of this.#listeners) listener();
  }

  #readAll(): void {
    const start = performance.now();
    this.refresh();
    this.addresses = this.#netlink.dump(RTM.GETADDR, addressOf);
    this.routes = this.#netlink.dump(RTM.GETROUTE, routeOf);
    this.#took = performance.now() - start;
  }

  refresh(): void {
    const links = this.#netlink.dump(RTM.GETLINK, linkOf);
    this.links = new Map(links.map((link) => [link.index, link]));
    this.#byName = new Map(links.map((link) => [link.name, link]));
  }

  link(name: string): HostLink | undefined {
    return this.#byName.get(name);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  driver(name: string): LinkDriver | undefined {
    return driverOf(this.#libc, name);
  }

  setLink(index: number, change: { readonly up?: boolean; readonly mac?: string; readonly mtu?: number }): void {
    this.#netlink.request(setLinkRequest(index, change));
    this.refresh();
  }

  openTap(name: string): FrameDevice {
    const tap = new Tap(this.#libc, this.#poller, this.#received, this.#pool, name);
    this.refresh();
    return tap;
  }

  openPacket(name: string): FrameDevice {
    this.refresh();
    const link = this.#byName.get(name);
    if (link === undefined) throw lastError(this.#libc, ENODEV);
    return new PacketSocket(this.#libc, this.#poller, this.#received, this.#pool, link.index);
  }

  openUdp(port: number, receive: (payload: Uint8Array, header: DatagramHeader) => void): DatagramReceiver {
    return openUdp(this.#libc, this.#poller, this.#received, port, receive);
  }

  openIp(): IpSender {
    return new RawIp(this.#libc, this.#poller, this.#pool);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#listeners.clear();
    this.#poller.remove(this.#netlink.news);
    this.#netlink.close();
    this.#poller.close();
  }
}

const ENODEV = 19;

/** The network of this host. Throws a WeftError ("host.no-ffi") where it cannot be reached, with what is missing. */
export async function openHostNetwork(): Promise<HostNetwork> {
  return new LinuxNetwork(await loadLibc("network devices of this host cannot be used"));
}
