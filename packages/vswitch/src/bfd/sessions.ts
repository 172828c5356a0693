/** The BFD sessions of a switch: which interfaces have one, and the frames between them and their ports. */

import { OFPP } from "@weft/openflow";
import type { Replica } from "@weft/ovsdb";
import { type Bfd, macOf } from "@weft/packet";
import type { Runtime } from "@weft/runtime";
import type { VsSchema } from "@weft/schemas";
import type { Configuration } from "../bridge/configure.ts";
import type { Datapath } from "../datapath/datapath.ts";
import { TUN_OAM, WORD } from "../flow/key.ts";
import type { OfPort } from "../ofproto/port.ts";
import { type BfdConfig, bfdConfig } from "./config.ts";
import { bfdFrame } from "./frames.ts";
import { BfdSession } from "./session.ts";

/** RFC 5881 section 4: the range of source ports. */
const FIRST_PORT = 49152;
const LAST_PORT = 65535;

export class BfdSessions {
  readonly #runtime: Runtime;
  readonly #datapath: Datapath;
  readonly #changed: () => void;
  readonly #ports = new Set<OfPort>();
  #nextPort = FIRST_PORT;

  /** `changed` is called when the status of a session may be another. */
  constructor(runtime: Runtime, datapath: Datapath, changed: () => void) {
    this.#runtime = runtime;
    this.#datapath = datapath;
    this.#changed = changed;
  }

  /** Makes the sessions what the Interface table asks for. */
  apply(configuration: Configuration, db: Replica<VsSchema>): void {
    const left = new Set(this.#ports);
    for (const { interfaces } of configuration.bridges.values()) {
      for (const { uuid, port } of interfaces.values()) {
        const config = bfdConfig(db.table("Interface").get(uuid)?.bfd ?? new Map());
        if (port === undefined || config === undefined) continue;
        left.delete(port);
        if (port.bfd === undefined) this.#open(port, config);
        else port.bfd.configure(config);
      }
    }
    for (const port of left) this.#close(port);
  }

  #open(port: OfPort, config: BfdConfig): void {
    const { clock, random, log } = this.#runtime;
    const source = this.#nextPort;
    this.#nextPort = source === LAST_PORT ? FIRST_PORT : source + 1;
    let forwarding = false;
    const session: BfdSession = new BfdSession({
      name: port.name,
      config,
      clock,
      random,
      log: log.logger("bfd"),
      received: () => port.netdev?.statistics.rx_packets ?? port.counters.rxPackets,
      send: (packet) => this.#send(port, session.config, source, packet),
      changed: () => {
        // Not yet there while it is being made.
        if (port.bfd === undefined) return;
        if (port.bfd.forwarding !== forwarding) {
          forwarding = port.bfd.forwarding;
          this.#liveChanged(port);
        }
        this.#changed();
      },
    });
    port.bfd = session;
    this.#ports.add(port);
    this.#liveChanged(port);
  }

  /** Whether packets may be given to the port may be otherwise: for cached flows, and for who listens to the bridge's ports. */
  #liveChanged(port: OfPort): void {
    this.#datapath.invalidate();
    port.bridge.events?.portChanged(port, "modify");
  }

  #close(port: OfPort): void {
    port.bfd?.close();
    port.bfd = undefined;
    this.#ports.delete(port);
    this.#liveChanged(port);
  }

  close(): void {
    for (const port of this.#ports) this.#close(port);
  }

  #send(port: OfPort, config: BfdConfig, srcPort: number, packet: Bfd): void {
    const frame = bfdFrame(config, macOf(port.mac), srcPort, packet);
    this.#datapath.runActions(port.bridge, frame, [{ type: "output", port: port.ofport }], (key) => {
      key[WORD.in_port] = OFPP.NONE;
      if (config.oam) key[WORD.tun_flags] = TUN_OAM;
    });
  }

  get sessions(): BfdSession[] {
    return [...this.#ports].flatMap((port) => port.bfd ?? []);
  }
}
