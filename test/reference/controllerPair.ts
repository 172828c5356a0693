/**
 * Two clouds that differ in the controllers only: the reference's and ours. The same packets go into both; what comes out at
 * the ports, and what is in the southbound databases, is to be the same. A port is on the node w1, or with "w2/PORT" on w2.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { emit, fromHex, type Header, ipv4Of, MAC_BROADCAST, parseMac, readCapture, toHex } from "@weft/packet";
import { WeftError } from "@weft/runtime";
import { afterAll, beforeAll, expect } from "vitest";
import { allReference, Cloud, linkPrograms } from "./cloud.ts";
import type { Control } from "./daemons.ts";

/** A port whose DHCP requests show that a controller has done what came before. */
const BARRIER = "barrier";
const BARRIER_NETWORK = `
  ovn-nbctl ls-add barriers -- lsp-add barriers ${BARRIER} -- lsp-set-addresses ${BARRIER} "50:54:00:00:ff:01 192.168.255.1" \\
    -- --id=@o create dhcp_options cidr=192.168.255.0/24 \\
       options='"server_id"="192.168.255.2" "server_mac"="50:54:00:00:ff:02" "lease_time"="60" "router"="192.168.255.2"' \\
    -- set logical_switch_port ${BARRIER} dhcpv4_options=@o >/dev/null
  vif_add w1 ${BARRIER}`;

/** For scripts: `rows TABLE COLUMN,...` prints rows of the Southbound as CSV; ${name[UUID]} is the name of a port. */
export const ROWS = `
  rows() { ovn-sbctl --no-headings --format=csv --data=bare --columns=$2 list $1; }
  declare -A name; while IFS=, read -r uuid port; do name[$uuid]=$port; done < <(rows Port_Binding _uuid,logical_port)`;

/** Milliseconds between two looks, and how many looks at most. */
const PAUSE = 20;
const LOOKS = 1000;
const REMOTE_LOOKS = 25;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function placeOf(port: string): { readonly node: string; readonly vif: string } {
  const [first, second] = port.split("/");
  return second === undefined ? { node: "w1", vif: first! } : { node: first!, vif: second };
}

/** The frames of a capture; read again while the switch is in the middle of writing one. */
function framesIn(path: string): Uint8Array[] {
  for (let tries = 0; ; tries++) {
    try {
      return readCapture(readFileSync(path)).map(({ bytes }) => bytes);
    } catch (error) {
      if (tries === LOOKS || !(error instanceof WeftError) || error.code !== "pcap.malformed") throw error;
    }
  }
}

class Side {
  readonly name: "reference" | "weft";
  readonly cloud: Cloud;
  readonly #switches = new Map<string, Control>();
  readonly #seen = new Map<string, number>();
  #barriers = 0;

  constructor(name: "reference" | "weft") {
    this.name = name;
    this.cloud = new Cloud({ ...allReference, CONTROLLER: name });
  }

  async inject(port: string, frame: Uint8Array): Promise<void> {
    const { node, vif } = placeOf(port);
    let control = this.#switches.get(node);
    if (control === undefined) this.#switches.set(node, (control = this.cloud.control(`${node}/vswitchd`)));
    await control.call("netdev-dummy/receive", vif, toHex(frame));
  }

  /** What has arrived at a port since the last call, as hexadecimal text. */
  take(port: string): string[] {
    const { node, vif } = placeOf(port);
    const frames = framesIn(join(this.cloud.dir, node, `${vif}-tx.pcap`)).map(toHex);
    const from = this.#seen.get(port) ?? 0;
    this.#seen.set(port, frames.length);
    return frames.slice(from);
  }

  /** Until the controller has done all that the switch has sent it. */
  async barrier(): Promise<void> {
    const xid = ++this.#barriers;
    await this.inject(BARRIER, discover(xid));
    for (let looks = 0; looks < LOOKS; looks++) {
      if (this.take(BARRIER).length > 0) return;
      await sleep(PAUSE);
    }
    throw new Error(`the ${this.name} controller does not answer, in ${this.cloud.dir}`);
  }
}

function discover(xid: number): Uint8Array {
  const clientMac = parseMac("50:54:00:00:ff:01")!;
  return emit([
    { kind: "ethernet", dst: MAC_BROADCAST, src: clientMac },
    { kind: "ipv4", src: ipv4Of(0), dst: ipv4Of(0xffffffff) },
    { kind: "udp", srcPort: 68, dstPort: 67 },
    { kind: "dhcp", op: 1, xid, clientMac, options: [{ code: 53, data: Uint8Array.of(1) }] },
  ]);
}

export class ControllerPair {
  readonly reference = new Side("reference");
  readonly weft = new Side("weft");
  readonly #ports: string[] = [];

  get sides(): readonly Side[] {
    return [this.reference, this.weft];
  }

  /** Runs a script on both sides, and waits for the chassis. */
  run(script: string): void {
    for (const { cloud } of this.sides) cloud.run(`${script}\novn-nbctl --timeout=60 --wait=hv sync`);
  }

  /** Starts both clouds and gives them a network with these VIFs. */
  start(script: string, ports: readonly string[]): void {
    this.#ports.push(...ports);
    const places = ports.map(placeOf);
    const vifs = places.map(({ node, vif }) => `vif_add ${node} ${vif}`).join("\n");
    const second = places.some(({ node }) => node === "w2") ? "hv_add w2 n1 10.9.0.2/24; underlay_warm" : "";
    // a chassis that has not registered yet is not waited for
    const up = [BARRIER, ...places.map(({ vif }) => vif)].map(
      (vif) => `ovn-nbctl --timeout=60 wait-until logical_switch_port ${vif} up=true`,
    );
    this.run(
      `cloud_start; net_add n1; hv_add w1 n1 10.9.0.1/24; ${second}\n${BARRIER_NETWORK}\n${vifs}\n${script}\n${up.join("\n")}`,
    );
  }

  stop(): void {
    for (const { cloud } of this.sides) cloud.stop(true);
  }

  /** What arrives at the ports of each side when a frame comes in from one, as `PORT HEX`. */
  async answers(
    port: string,
    frame: readonly Header[] | Uint8Array | string,
  ): Promise<{ readonly reference: string[]; readonly weft: string[] }> {
    const bytes = typeof frame === "string" ? fromHex(frame)! : frame instanceof Uint8Array ? frame : emit(frame);
    const got = await Promise.all(
      this.sides.map(async (side) => {
        await side.inject(port, bytes);
        await side.barrier();
        return this.taken(side);
      }),
    );
    // What goes through the other node has no such end.
    for (let looks = 0; looks < REMOTE_LOOKS && `${got[0]}` !== `${got[1]}`; looks++) {
      await sleep(PAUSE);
      this.sides.forEach((side, i) => {
        got[i] = [...got[i]!, ...this.taken(side)].sort((a, b) => this.#orderOf(a) - this.#orderOf(b));
      });
    }
    return { reference: got[0]!, weft: got[1]! };
  }

  #orderOf(line: string): number {
    return this.#ports.indexOf(line.slice(0, line.indexOf(" ")));
  }

  taken(side: Side): string[] {
    return this.#ports.flatMap((port) => side.take(port).map((hex) => `${port} ${hex}`));
  }

  /** Sends a frame into both, expects the same to come out, and returns it. */
  async same(port: string, frame: readonly Header[] | Uint8Array | string): Promise<string[]> {
    const { reference, weft } = await this.answers(port, frame);
    expect(weft).toEqual(reference);
    return reference;
  }

  /**
   * Waits until a script of shell commands prints the same on both sides, with `expected` in it if given, and returns what
   * it prints. `again` is done now and then while it does not.
   */
  async sameRows(script: string, expected = "", again?: () => Promise<unknown>): Promise<string> {
    for (let looks = 0; ; looks++) {
      if (looks % 10 === 9) await again?.();
      const [reference, weft] = this.sides.map(({ cloud }) => cloud.run(script).trim());
      if (reference === weft && reference!.includes(expected)) return reference!;
      if (looks === 30) {
        expect(reference).toContain(expected);
        expect(weft).toBe(reference);
      }
      await sleep(5 * PAUSE);
    }
  }
}

/** A pair with this network for the tests of a file. */
export function controllerPair(script: string, ports: readonly string[]): ControllerPair {
  const pair = new ControllerPair();
  linkPrograms();
  beforeAll(() => pair.start(script, ports));
  afterAll(() => (process.env["KEEP"] ? undefined : pair.stop()));
  return pair;
}
