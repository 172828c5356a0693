/** udhcpc(8) of an emulated machine, with busybox's output and the effect of its usual script. */
import { DHCP_OPTION, formatIpv4, type Ipv4, parseIpv4 } from "@weft/packet";
import type { Command, CommandContext } from "../../machine/machine.ts";
import { getopt, numberOf, UsageError } from "../getopt.ts";
import { DhcpExchange } from "./exchange.ts";
import { applyLease, type Lease, type Place, withdrawLease, writeNameServers } from "./lease.ts";

/** Milliseconds, three weeks. */
const LONGEST_TIMER = 2 ** 31 - 1;

interface UdhcpcOptions {
  readonly device: string;
  /** -n: end when there is no lease. */
  readonly now: boolean;
  /** -q: end when there is one. */
  readonly quit: boolean;
  readonly foreground: boolean;
  /** -R: give the lease back at the end. */
  readonly release: boolean;
  readonly tries: number;
  /** Seconds between two tries, and after the last. */
  readonly pause: number;
  readonly again: number;
  readonly requested: Ipv4 | undefined;
}

/** Subnet mask, router, name servers, host name, domain, broadcast address, NTP. */
const WANTED = [1, 3, 6, 12, 15, 28, 42];

function parse(args: readonly string[]): UdhcpcOptions {
  const { options } = getopt(args, "i:nqfbRt:T:A:r:s:x:O:oC", {
    interface: "i",
    now: "n",
    quit: "q",
    release: "R",
    request: "r",
  });
  const value = (letter: string) => options.findLast((option) => option.letter === letter)?.value;
  const number = (letter: string, otherwise: number) => {
    const text = value(letter);
    return text === undefined ? otherwise : numberOf(text);
  };
  const wish = value("r");
  const requested = wish === undefined ? undefined : parseIpv4(wish);
  if (wish !== undefined && requested === undefined) throw new UsageError(`bad IP address: ${wish}`);
  return {
    device: value("i") ?? "eth0",
    now: value("n") !== undefined,
    quit: value("q") !== undefined,
    foreground: value("f") !== undefined,
    release: value("R") !== undefined,
    tries: number("t", 3),
    pause: number("T", 3),
    again: number("A", 20),
    requested,
  };
}

class Client {
  readonly #options: UdhcpcOptions;
  readonly #place: Place;
  readonly #say: (text: string) => void;
  readonly #exchange: DhcpExchange;
  readonly #abort = new AbortController();
  lease: Lease | undefined;

  constructor(place: Place, options: UdhcpcOptions, say: (text: string) => void) {
    this.#place = place;
    this.#options = options;
    this.#say = say;
    this.#exchange = new DhcpExchange(place, [
      { code: DHCP_OPTION.parameterList, data: Uint8Array.from(WANTED) },
      { code: 60, data: new TextEncoder().encode("udhcp 1.35.0") },
    ]);
  }

  stop(): void {
    this.#abort.abort();
    this.#exchange.close();
  }

  /** True when there is a lease; false when the tries are over. */
  async acquire(): Promise<boolean> {
    const { signal } = this.#abort;
    const { tries, pause, requested } = this.#options;
    for (let sent = 0; sent < tries && !signal.aborted; sent++) {
      this.#say("broadcasting discover");
      this.#exchange.discover(requested);
      const offer = await this.#exchange.answer(["offer"], pause * 1000, signal);
      if (offer?.type !== "offer") continue;
      const { address, server } = offer.lease;
      for (let asked = 0; asked < tries && !signal.aborted; asked++) {
        this.#say(`broadcasting select for ${formatIpv4(address)}, server ${formatIpv4(server)}`);
        this.#exchange.request(address, server);
        const answer = await this.#exchange.answer(["ack", "nak"], pause * 1000, signal);
        if (answer?.type === "ack") {
          await this.#bind(answer.lease);
          return true;
        }
        if (answer?.type === "nak") {
          this.#say(`received DHCP NAK, server ${formatIpv4(answer.server)}`);
          break;
        }
      }
    }
    return false;
  }

  async #bind(lease: Lease): Promise<void> {
    if (this.lease && this.lease.address !== lease.address) withdrawLease(this.#place);
    this.lease = lease;
    this.#say(`lease of ${formatIpv4(lease.address)} obtained from ${formatIpv4(lease.server)}, lease time ${lease.time}`);
    await applyLease(this.#place, lease, false);
    await writeNameServers(this.#place, lease, false);
  }

  /** Renews at half of the lease's time, as long as the client runs. */
  async keep(): Promise<void> {
    const { clock } = this.#place.machine.runtime;
    while (!this.#abort.signal.aborted) {
      if (!this.lease) {
        if (!(await this.acquire())) await this.#pause(this.#options.again);
        continue;
      }
      const { lease } = this;
      await this.#pause(lease.time / 2);
      const end = clock.now() + (lease.time * 1000) / 2;
      let answered = false;
      while (!answered && clock.now() < end && !this.#abort.signal.aborted) {
        this.#exchange.renew(lease, end - clock.now() < (lease.time * 1000) / 4);
        const answer = await this.#exchange.answer(["ack", "nak"], 10_000, this.#abort.signal);
        answered = answer !== undefined;
        if (answer?.type === "ack") await this.#bind(answer.lease);
        if (answer?.type === "nak") break;
      }
      if (this.lease === lease && !this.#abort.signal.aborted) this.#lost();
    }
  }

  #lost(): void {
    this.#say("lease lost, entering init state");
    this.lease = undefined;
    withdrawLease(this.#place);
  }

  release(): void {
    if (this.lease) this.#exchange.release(this.lease);
    this.#say("entering released state");
    withdrawLease(this.#place);
  }

  #pause(seconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#place.machine.runtime.clock.after(Math.min(seconds * 1000, LONGEST_TIMER), resolve, true);
      const stop = () => {
        timer.cancel();
        resolve();
      };
      this.#abort.signal.addEventListener("abort", stop, { once: true });
    });
  }
}

async function run(options: UdhcpcOptions, { host, machine, namespace }: CommandContext): Promise<number> {
  const device = namespace.device(options.device);
  let quiet = false;
  const say = (text: string) => {
    if (!quiet) void host.stderr.write(`udhcpc: ${text}\n`);
  };
  if (!device) {
    say(`SIOCGIFINDEX: No such device`);
    return 1;
  }
  const name = `udhcpc ${namespace.name} ${device.name}`;
  machine.daemons.get(name)?.stop();
  machine.daemons.delete(name);
  say("started, v1.35.0");
  const client = new Client({ machine, namespace, device }, options, say);
  device.setUp(true);
  // The script takes away what the device had (deconfig).
  namespace.flushAddresses(device, 4);
  const interrupted = new Promise<void>((resolve) => host.signal.addEventListener("abort", () => resolve(), { once: true }));
  void interrupted.then(() => client.stop());
  const there = await client.acquire();
  if (!there) {
    say(options.now ? "no lease, failing" : "no lease, forking to background");
    if (options.now) {
      client.stop();
      return 1;
    }
  }
  if (there && options.quit) {
    if (options.release) client.release();
    client.stop();
    return 0;
  }
  machine.daemons.set(name, client);
  const kept = client.keep();
  if (options.foreground) await Promise.race([kept, interrupted]);
  quiet = true;
  return 0;
}

export const udhcpc: Command = async (args, context) => {
  try {
    return await run(parse(args), context);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    await context.host.stderr.write(`udhcpc: ${error.message}\n`);
    return error.exitCode;
  }
};
