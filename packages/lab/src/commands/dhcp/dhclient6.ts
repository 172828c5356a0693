/** dhclient -6 (RFC 8415): an address (IA_NA) and name servers, or with -S the name servers alone. */
import {
  DHCPV6_MESSAGE,
  DHCPV6_OPTION,
  type Dhcpv6Option,
  decode,
  dhcpv6Option,
  emitDhcpv6Options,
  find,
  formatIpv6,
  get16,
  get32,
  type Ipv6,
  ipv6Of,
  parseDhcpv6Options,
  put32,
  readDnsName,
  readIpv6,
  writeIpv6,
  writeMac,
} from "@weft/packet";
import { WeftError } from "@weft/runtime";
import { writeEtc } from "../../machine/etc.ts";
import { formatIp, type Ip, ip6 } from "../../machine/ip.ts";
import type { CommandContext } from "../../machine/machine.ts";
import type { UdpSocket } from "../../machine/udp.ts";
import { banner } from "./banner.ts";
import type { DhclientOptions } from "./dhclient.ts";
import type { Place } from "./lease.ts";

const SERVERS = ip6(ipv6Of(0xff02_0000_0000_0000_0000_0000_0001_0002n));
const CLIENT_PORT = 546;
const SERVER_PORT = 547;
/** Milliseconds (RFC 8415 7.6): the first wait for an answer, and the longest. */
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 120_000;
/** -1 gives up after this. */
const TRY = 60_000;
/** Releases are sent so often without an answer. */
const RELEASES = 4;
/** Seconds, three weeks: later, and for ever (RFC 8415 7.7), is never. */
const LONGEST_RENEWAL = 2 ** 31 / 1000;

interface Lease6 {
  readonly address: Ipv6 | undefined;
  /** Seconds. */
  readonly valid: number;
  readonly preferred: number;
  readonly renewal: number;
  readonly rebinding: number;
  readonly server: Uint8Array;
  readonly nameServers: readonly Ipv6[];
  readonly domains: readonly string[];
  /** The server's refusal, or success without or with words. */
  readonly status: { readonly code: number; readonly text: string } | undefined;
}

const hex = (value: number) => value.toString(16).padStart(2, "0");
const colons = (bytes: Uint8Array) => [...bytes].map(hex).join(":");

function namesIn(data: Uint8Array): string[] {
  const names: string[] = [];
  for (let at = 0; at < data.length; ) {
    const { name, next } = readDnsName(data, 0, at, data.length);
    names.push(name);
    at = next;
  }
  return names;
}

function statusOf(options: readonly Dhcpv6Option[]): Lease6["status"] {
  const data = dhcpv6Option(options, DHCPV6_OPTION.status);
  return data && data.length >= 2 ? { code: get16(data, 0), text: new TextDecoder().decode(data.subarray(2)) } : undefined;
}

function leaseOf(options: readonly Dhcpv6Option[]): Lease6 | undefined {
  const server = dhcpv6Option(options, DHCPV6_OPTION.serverId);
  if (!server) return undefined;
  const ia = dhcpv6Option(options, DHCPV6_OPTION.iaNa);
  const inner = ia && ia.length >= 12 ? parseDhcpv6Options(ia, 12) : [];
  const address = dhcpv6Option(inner, DHCPV6_OPTION.iaAddress);
  const dns = dhcpv6Option(options, DHCPV6_OPTION.dnsServers);
  const valid = address && address.length >= 24 ? get32(address, 20) : 0;
  return {
    address: address && address.length >= 24 ? readIpv6(address, 0) : undefined,
    preferred: address && address.length >= 24 ? get32(address, 16) : 0,
    valid,
    renewal: (ia && ia.length >= 12 && get32(ia, 4)) || valid / 2,
    rebinding: (ia && ia.length >= 12 && get32(ia, 8)) || valid * 0.8,
    server,
    nameServers: Array.from({ length: Math.floor((dns?.length ?? 0) / 16) }, (_, i) => readIpv6(dns!, 16 * i)),
    domains: namesIn(dhcpv6Option(options, DHCPV6_OPTION.domainList) ?? new Uint8Array()),
    status: statusOf(inner) ?? statusOf(options),
  };
}

class Client6 {
  readonly #place: Place;
  readonly #say: (line: string) => void;
  readonly #socket: UdpSocket;
  readonly #abort = new AbortController();
  readonly #duid: Uint8Array;
  readonly #iaid: Uint8Array;
  #transaction = 0;
  #take: (type: number, options: readonly Dhcpv6Option[], from: Ip) => void = () => undefined;
  lease: Lease6 | undefined;

  constructor(place: Place, say: (line: string) => void) {
    this.#place = place;
    this.#say = say;
    this.#socket = place.namespace.stack.udp.bind(
      undefined,
      CLIENT_PORT,
      (bytes, from) => {
        try {
          this.#receive(bytes, from.ip);
        } catch (error) {
          if (!(error instanceof WeftError)) throw error;
          say(`RCV: message from ${formatIp(from.ip)} ignored: ${error.message}`);
        }
      },
      true,
    );
    // A DUID of the link-layer address (RFC 8415 11.4).
    this.#duid = Uint8Array.of(0, 3, 0, 1, 0, 0, 0, 0, 0, 0);
    writeMac(this.#duid, 4, place.device.mac);
    this.#iaid = this.#duid.subarray(6);
  }

  #receive(bytes: Uint8Array, from: Ip): void {
    const message = find(decode(bytes, "dhcpv6"), "dhcpv6");
    if (!message || message.relay || message.transaction !== this.#transaction) return;
    const id = dhcpv6Option(message.options, DHCPV6_OPTION.clientId);
    if (id && colons(id) === colons(this.#duid)) this.#take(message.type, message.options, from);
  }

  get duid(): string {
    return [...this.#duid].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
  }

  stop(): void {
    this.#abort.abort();
    this.#socket.close();
  }

  #send(type: number, options: readonly Dhcpv6Option[], elapsed: number): void {
    const hundredths = Math.min(0xffff, Math.floor(elapsed / 10));
    const { device } = this.#place;
    this.#place.namespace.stack.send(
      SERVERS,
      [
        { kind: "udp", srcPort: CLIENT_PORT, dstPort: SERVER_PORT },
        {
          kind: "dhcpv6",
          type,
          transaction: this.#transaction,
          options: [
            { code: DHCPV6_OPTION.clientId, data: this.#duid },
            { code: DHCPV6_OPTION.optionRequest, data: Uint8Array.of(0, 23, 0, 24) },
            { code: DHCPV6_OPTION.elapsedTime, data: Uint8Array.of(hundredths >> 8, hundredths & 0xff) },
            ...options,
          ],
        },
      ],
      { device },
    );
  }

  #identityAssociation(address?: Ipv6): Dhcpv6Option {
    const head = new Uint8Array(12);
    head.set(this.#iaid);
    const inner = new Uint8Array(24);
    if (address !== undefined) {
      writeIpv6(inner, 0, address);
      put32(inner, 16, 7200);
      put32(inner, 20, 7500);
    }
    const options = address === undefined ? [] : [{ code: DHCPV6_OPTION.iaAddress, data: inner }];
    return { code: DHCPV6_OPTION.iaNa, data: Uint8Array.from([...head, ...emitDhcpv6Options(options)]) };
  }

  /** Sends a message again and again, twice as long apart, until it is answered, or for `most` ms or times. */
  async #ask(
    title: string,
    type: number,
    options: readonly Dhcpv6Option[],
    answer: number,
    describe: () => void,
    most: { readonly ms?: number; readonly times?: number } = {},
  ): Promise<Lease6 | undefined> {
    const { clock, random } = this.#place.machine.runtime;
    const { name } = this.#place.device;
    this.#transaction = random.below(1 << 24);
    const start = clock.now();
    let wait = FIRST_WAIT;
    for (let times = 0; times < (most.times ?? Number.POSITIVE_INFINITY); times++) {
      const elapsed = clock.now() - start;
      if (this.#abort.signal.aborted || elapsed >= (most.ms ?? Number.POSITIVE_INFINITY)) return undefined;
      this.#say(`XMT: Forming ${title}, ${Math.round(elapsed / 10) * 10} ms elapsed.`);
      describe();
      // A tenth more or less, so that clients do not stay together (RFC 8415 15).
      const spread = Math.round((wait * (0.9 + random.below(200) / 1000)) / 10) * 10;
      this.#say(`XMT: ${title} on ${name}, interval ${spread}ms.`);
      this.#send(type, options, elapsed);
      const got = await this.#answer(answer, spread);
      if (got) return got;
      wait = Math.min(2 * wait, LONGEST_WAIT);
    }
    return undefined;
  }

  #answer(type: number, ms: number): Promise<Lease6 | undefined> {
    return new Promise((resolve) => {
      const finish = (lease: Lease6 | undefined) => {
        timer.cancel();
        this.#take = () => undefined;
        this.#abort.signal.removeEventListener("abort", stop);
        resolve(lease);
      };
      const stop = () => finish(undefined);
      const timer = this.#place.machine.runtime.clock.after(ms, stop);
      this.#abort.signal.addEventListener("abort", stop, { once: true });
      this.#take = (got, options, from) => {
        const lease = got === type ? leaseOf(options) : undefined;
        if (!lease) return;
        this.#describe(type, lease, from);
        finish(lease);
      };
    });
  }

  #describe(type: number, lease: Lease6, from: Ip): void {
    const { name } = this.#place.device;
    const advertise = type === DHCPV6_MESSAGE.advertise;
    this.#say(`RCV: ${advertise ? "Advertise" : "Reply"} message on ${name} from ${formatIp(from)}.`);
    if (lease.address !== undefined) {
      this.#say(`RCV:  X-- IA_NA ${colons(this.#iaid)}`);
      this.#say(`RCV:  | X-- starts ${Math.floor(this.#place.machine.runtime.clock.wall() / 1000)}`);
      this.#say(`RCV:  | X-- t1 - renew  +${lease.renewal}`);
      this.#say(`RCV:  | X-- t2 - rebind +${lease.rebinding}`);
      this.#say("RCV:  | X-- [Options]");
      this.#say(`RCV:  | | X-- IAADDR ${formatIpv6(lease.address)}`);
      this.#say(`RCV:  | | | X-- Preferred lifetime ${lease.preferred}.`);
      this.#say(`RCV:  | | | X-- Max lifetime ${lease.valid}.`);
    }
    this.#say(`RCV:  X-- Server ID: ${colons(lease.server)}`);
    if (lease.status?.code === 0) this.#say(`message status code Success${lease.status.text ? `: "${lease.status.text}"` : "."}`);
    if (advertise) this.#say("RCV:  Advertisement recorded.");
  }

  async acquire(once: boolean): Promise<Lease6 | undefined> {
    const limit = once ? { ms: TRY } : {};
    this.#say("PRC: Soliciting for leases (INIT).");
    const offer = await this.#ask(
      "Solicit",
      DHCPV6_MESSAGE.solicit,
      [this.#identityAssociation()],
      DHCPV6_MESSAGE.advertise,
      () => {
        this.#say(`XMT:  X-- IA_NA ${colons(this.#iaid)}`);
        this.#say("XMT:  | X-- Request renew in  +3600");
        this.#say("XMT:  | X-- Request rebind in +5400");
      },
      limit,
    );
    if (offer?.address === undefined) return undefined;
    const { address, server } = offer;
    this.#say("PRC: Selecting best advertised lease.");
    this.#say("PRC: Considering best lease.");
    this.#say(`PRC:  X-- Initial candidate ${colons(server)} (s: 10104, p: 0).`);
    const options = [{ code: DHCPV6_OPTION.serverId, data: server }, this.#identityAssociation(address)];
    const lease = await this.#ask(
      "Request",
      DHCPV6_MESSAGE.request,
      options,
      DHCPV6_MESSAGE.reply,
      () => {
        this.#say(`XMT:  X-- IA_NA ${colons(this.#iaid)}`);
        this.#say("XMT:  | X-- Requested renew  +3600");
        this.#say("XMT:  | X-- Requested rebind +5400");
        this.#say(`XMT:  | | X-- IAADDR ${formatIpv6(address)}`);
        this.#say("XMT:  | | | X-- Preferred lifetime +7200");
        this.#say("XMT:  | | | X-- Max lifetime +7500");
        this.#say("XMT:  V IA_NA appended.");
      },
      limit,
    );
    if (lease) this.#say(`PRC: Bound to lease ${colons(lease.server)}.`);
    return lease;
  }

  /** Name servers without an address. */
  async inform(once: boolean): Promise<Lease6 | undefined> {
    this.#say("PRC: Requesting information (INIT).");
    const { informationRequest, reply } = DHCPV6_MESSAGE;
    return this.#ask("Info-Request", informationRequest, [], reply, () => undefined, once ? { ms: TRY } : {});
  }

  async bind(lease: Lease6): Promise<void> {
    const { machine, namespace, device } = this.#place;
    const { clock } = machine.runtime;
    this.lease = lease;
    const { address, nameServers, domains } = lease;
    const lines = [
      ...(domains.length === 0 ? [] : [`search ${domains.map((domain) => `${domain}.`).join(" ")}`]),
      ...nameServers.map((server) => `nameserver ${formatIpv6(server)}`),
    ];
    if (lines.length > 0) await writeEtc(machine, namespace, "resolv.conf", lines.map((line) => `${line}\n`).join(""));
    if (address === undefined) return;
    const now = clock.now();
    const until = (seconds: number) => (seconds === 0xffffffff ? Number.POSITIVE_INFINITY : now + seconds * 1000);
    namespace.refreshAddress(
      device,
      { address: ip6(address), length: 128 },
      { lifetime: { valid: until(lease.valid), preferred: until(lease.preferred) } },
    );
    if (lease.renewal < LONGEST_RENEWAL) clock.after(lease.renewal * 1000, () => void this.#renew(lease, now), true);
  }

  async #renew(lease: Lease6, start: number): Promise<void> {
    const { clock } = this.#place.machine.runtime;
    const left = start + lease.valid * 1000 - clock.now();
    if (this.#abort.signal.aborted || left <= 0) return;
    const options = [{ code: DHCPV6_OPTION.serverId, data: lease.server }, this.#identityAssociation(lease.address)];
    const { renew, reply } = DHCPV6_MESSAGE;
    const renewed = await this.#ask("Renew", renew, options, reply, () => undefined, { ms: left });
    if (renewed) await this.bind(renewed);
  }

  async release(lease: Lease6): Promise<void> {
    const { address, server } = lease;
    if (address === undefined) return;
    const { namespace, device } = this.#place;
    const options = [{ code: DHCPV6_OPTION.serverId, data: server }, this.#identityAssociation(address)];
    const told = this.#ask(
      "Release",
      DHCPV6_MESSAGE.release,
      options,
      DHCPV6_MESSAGE.reply,
      () => {
        this.#say(`XMT:  X-- IA_NA ${colons(this.#iaid)}`);
        this.#say(`XMT:  | X-- Release Address ${formatIpv6(address)}`);
        this.#say("XMT:  V IA_NA appended.");
      },
      { times: RELEASES },
    );
    namespace.removeAddress(device, { address: ip6(address), length: 128 });
    await told;
  }
}

export async function dhclient6(place: Place, options: DhclientOptions, { host, machine }: CommandContext): Promise<number> {
  const { device, namespace } = place;
  const name = `dhclient -6 ${namespace.name} ${device.name}`;
  const running = machine.daemons.get(name);
  const old = running instanceof Client6 ? running.lease : undefined;
  let quiet = !options.verbose;
  const say = (line: string) => {
    if (!quiet) void host.stderr.write(`${line}\n`);
  };
  running?.stop();
  machine.daemons.delete(name);
  if (running && (options.stop || options.release)) await host.stderr.write("Killed old client process\n");
  if (options.stop) return 0;
  say(`${banner}Listening on Socket/${device.name}\nSending on   Socket/${device.name}`);
  const client = new Client6(place, say);
  host.signal.addEventListener("abort", () => client.stop(), { once: true });
  if (options.release) {
    if (old) await client.release(old);
    client.stop();
    return 0;
  }
  if (!old) say(`Created duid "${client.duid}".`);
  device.setUp(true);
  const lease = await (options.stateless ? client.inform(options.once) : client.acquire(options.once));
  if (!lease) {
    client.stop();
    return host.signal.aborted ? 130 : 2;
  }
  machine.daemons.set(name, client);
  await client.bind(lease);
  if (options.foreground) await new Promise<void>((resolve) => host.signal.addEventListener("abort", () => resolve()));
  quiet = true;
  return 0;
}
