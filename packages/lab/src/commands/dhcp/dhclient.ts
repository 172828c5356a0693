/** dhclient(8) of an emulated machine, with the output of ISC's: DHCPv4 here, DHCPv6 in dhclient6.ts. */
import { DHCP_OPTION, formatIpv4, formatMac, type Ipv4 } from "@weft/packet";
import type { Command, CommandContext } from "../../machine/machine.ts";
import { UsageError } from "../getopt.ts";
import { banner } from "./banner.ts";
import { dhclient6 } from "./dhclient6.ts";
import { DhcpExchange } from "./exchange.ts";
import { applyLease, type Lease, type Place, withdrawLease, writeNameServers } from "./lease.ts";

export interface DhclientOptions {
  readonly family: 4 | 6;
  readonly verbose: boolean;
  readonly release: boolean;
  /** -x: end the client and leave the lease as it is. */
  readonly stop: boolean;
  /** -1: give up after the first try. */
  readonly once: boolean;
  /** -d: stay in the foreground. */
  readonly foreground: boolean;
  /** -S: DHCPv6 without an address. */
  readonly stateless: boolean;
  readonly devices: readonly string[];
}

/** Options that take a file's name or the like, which an emulated client has no use for. */
const IGNORED_WITH_VALUE = new Set(["-lf", "-pf", "-cf", "-sf", "-e", "-I", "-D", "-p", "-timeout"]);
const IGNORED = new Set(["-q", "-w", "-nw", "-4", "-N", "--no-pid", "-n", "-i", "--dad-wait-time"]);

function parse(args: readonly string[]): DhclientOptions {
  const devices: string[] = [];
  const given = new Set<string>();
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    if (IGNORED_WITH_VALUE.has(word)) at++;
    else if (["-6", "-v", "-r", "-x", "-1", "-d", "-S"].includes(word)) given.add(word);
    else if (!word.startsWith("-")) devices.push(word);
    else if (!IGNORED.has(word)) throw new UsageError(`Unknown command: ${word}`);
  }
  return {
    family: given.has("-6") ? 6 : 4,
    verbose: given.has("-v") || given.has("-d"),
    release: given.has("-r"),
    stop: given.has("-x"),
    once: given.has("-1"),
    foreground: given.has("-d"),
    stateless: given.has("-S"),
    devices,
  };
}

/** Subnet mask, broadcast address, time offset, routers, domain, name servers, search list, host name, MTU, routes, NTP. */
const WANTED = [1, 28, 2, 3, 15, 6, 119, 12, 44, 47, 26, 121, 42];
/** Milliseconds: of a whole try, and until the next one after it (dhclient.conf(5) timeout, retry). */
const TRY = 60_000;
const RETRY = 300_000;
/** Seconds: bounds of the time between two messages (dhclient.conf(5) initial-interval, backoff-cutoff). */
const FIRST_INTERVAL = 3;
const LONGEST_INTERVAL = 15;
/** Seconds, three weeks: what is later is never. */
const LONGEST_RENEWAL = 2 ** 31 / 1000;
/** The requests for an offered address before it is given up. */
const REQUESTS = 4;

class Client {
  readonly #place: Place;
  readonly #say: (line: string) => void;
  readonly #exchange: DhcpExchange;
  readonly #abort = new AbortController();
  lease: Lease | undefined;

  constructor(place: Place, hostname: string, say: (line: string) => void) {
    this.#place = place;
    this.#say = say;
    this.#exchange = new DhcpExchange(place, [
      { code: DHCP_OPTION.hostName, data: new TextEncoder().encode(hostname) },
      { code: DHCP_OPTION.parameterList, data: Uint8Array.from(WANTED) },
    ]);
  }

  get #random() {
    return this.#place.machine.runtime.random;
  }

  stop(): void {
    this.#abort.abort();
    this.#exchange.close();
  }

  /** A lease within the time of one try, or undefined. `old`: what the client had before (INIT-REBOOT). */
  async acquire(old: Lease | undefined): Promise<Lease | undefined> {
    const { clock } = this.#place.machine.runtime;
    const end = clock.now() + TRY;
    if (old) {
      const again = await this.#request(old.address, undefined);
      if (again) return again;
    }
    let interval = FIRST_INTERVAL + this.#random.below(FIRST_INTERVAL * 2);
    while (clock.now() < end && !this.#abort.signal.aborted) {
      const { name } = this.#place.device;
      this.#say(`DHCPDISCOVER on ${name} to 255.255.255.255 port 67 interval ${interval}`);
      this.#exchange.discover(undefined);
      const wait = Math.min(interval * 1000, end - clock.now());
      const offer = await this.#exchange.answer(["offer"], wait, this.#abort.signal);
      if (offer?.type === "offer") {
        const { address, server } = offer.lease;
        this.#say(`DHCPOFFER of ${formatIpv4(address)} from ${formatIpv4(server)}`);
        const lease = await this.#request(address, server);
        if (lease) return lease;
      }
      const longer = interval + this.#random.below(interval * 2);
      interval = longer > LONGEST_INTERVAL ? Math.ceil(LONGEST_INTERVAL / 2) + this.#random.below(LONGEST_INTERVAL) : longer;
    }
    if (!this.#abort.signal.aborted) this.#say("No DHCPOFFERS received.");
    return undefined;
  }

  async #request(address: Ipv4, server: Ipv4 | undefined): Promise<Lease | undefined> {
    for (let tries = 0; tries < REQUESTS && !this.#abort.signal.aborted; tries++) {
      this.#say(`DHCPREQUEST for ${formatIpv4(address)} on ${this.#place.device.name} to 255.255.255.255 port 67`);
      this.#exchange.request(address, server);
      const answer = await this.#exchange.answer(["ack", "nak"], FIRST_INTERVAL * 1000, this.#abort.signal);
      if (answer?.type === "nak") {
        this.#say(`DHCPNAK from ${formatIpv4(answer.server)}`);
        return undefined;
      }
      if (answer?.type === "ack") return this.#acknowledged(answer.lease);
    }
    return undefined;
  }

  #acknowledged(lease: Lease): Lease {
    this.#say(`DHCPACK of ${formatIpv4(lease.address)} from ${formatIpv4(lease.server)}`);
    return lease;
  }

  /** Puts a lease onto the device, and renews it in the background as long as the client runs. */
  async bind(lease: Lease): Promise<void> {
    if (this.lease && this.lease.address !== lease.address) withdrawLease(this.#place);
    this.lease = lease;
    await applyLease(this.#place, lease, true);
    await writeNameServers(this.#place, lease, true);
    const { clock } = this.#place.machine.runtime;
    // Not all clients of a network at once: up to a fifth before the time.
    const renewal = Math.floor(lease.renewal - this.#random.below(Math.max(1, Math.floor(lease.renewal / 5))));
    this.#say(`bound to ${formatIpv4(lease.address)} -- renewal in ${renewal} seconds.`);
    const start = clock.now();
    if (renewal < LONGEST_RENEWAL) clock.after(renewal * 1000, () => void this.#renew(lease, start), true);
  }

  async #renew(lease: Lease, start: number): Promise<void> {
    const { clock } = this.#place.machine.runtime;
    for (let interval = FIRST_INTERVAL; clock.now() < start + lease.time * 1000; interval = Math.min(2 * interval, 60)) {
      if (this.#abort.signal.aborted) return;
      this.#exchange.renew(lease, clock.now() >= start + lease.rebinding * 1000);
      const answer = await this.#exchange.answer(["ack", "nak"], interval * 1000, this.#abort.signal);
      if (answer?.type === "ack") return this.bind(answer.lease);
      if (answer?.type === "nak") break;
    }
    if (this.#abort.signal.aborted) return;
    this.lease = undefined;
    withdrawLease(this.#place);
    await this.persist();
  }

  /** Tries until there is a lease, in the background. */
  async persist(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      const lease = await this.acquire(undefined);
      if (lease) return this.bind(lease);
      await this.#pause(RETRY);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#place.machine.runtime.clock.after(ms, resolve, true);
      const stop = () => {
        timer.cancel();
        resolve();
      };
      this.#abort.signal.addEventListener("abort", stop, { once: true });
    });
  }

  release(lease: Lease): void {
    this.#say(`DHCPRELEASE of ${formatIpv4(lease.address)} on ${this.#place.device.name} to ${formatIpv4(lease.server)} port 67`);
    this.#exchange.release(lease);
    withdrawLease(this.#place);
  }
}

async function dhclient4(place: Place, options: DhclientOptions, { host, machine }: CommandContext): Promise<number> {
  const { device, namespace } = place;
  const name = `dhclient ${namespace.name} ${device.name}`;
  const running = machine.daemons.get(name);
  const old = running instanceof Client ? running.lease : undefined;
  let quiet = !options.verbose;
  const say = (line: string) => {
    if (!quiet) void host.stderr.write(`${line}\n`);
  };
  running?.stop();
  machine.daemons.delete(name);
  if (options.stop || options.release) {
    if (running) await host.stderr.write("Killed old client process\n");
    if (options.stop) return 0;
  }
  if (options.verbose) {
    const on = `LPF/${device.name}/${formatMac(device.mac)}`;
    await host.stderr.write(`${banner}Listening on ${on}\nSending on   ${on}\nSending on   Socket/fallback\n`);
  }
  const client = new Client(place, machine.name, say);
  host.signal.addEventListener("abort", () => client.stop(), { once: true });
  if (options.release) {
    if (old) client.release(old);
    client.stop();
    return 0;
  }
  device.setUp(true);
  const lease = await client.acquire(old);
  if (host.signal.aborted) return 130;
  if (!lease && options.once) {
    client.stop();
    say("Unable to obtain a lease on first try.  Exiting.");
    return 2;
  }
  machine.daemons.set(name, client);
  if (lease) await client.bind(lease);
  else {
    say("No working leases in persistent database - sleeping.");
    void client.persist();
  }
  if (options.foreground) await new Promise<void>((resolve) => host.signal.addEventListener("abort", () => resolve()));
  quiet = true;
  return 0;
}

export const dhclient: Command = async (args, context) => {
  const { namespace, machine, host } = context;
  try {
    const options = parse(args);
    const devices =
      options.devices.length > 0 ? options.devices : namespace.sortedDevices.slice(1).map(({ name: device }) => device);
    for (const name of devices) {
      const device = namespace.device(name);
      if (!device) {
        await host.stderr.write(`Cannot find device "${name}"\nError getting hardware address for "${name}": No such device\n`);
        return 1;
      }
      const run = options.family === 6 ? dhclient6 : dhclient4;
      const code = await run({ machine, namespace, device }, options, context);
      if (code !== 0) return code;
    }
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    await host.stderr.write(`${error.message}\n`);
    return error.exitCode;
  }
};
