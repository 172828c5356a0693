/** The bonds and the LACP sessions of a switch: which ports of the database have one, and when they are looked at. */
import { OFPP } from "@weft/openflow";
import type { Replica } from "@weft/ovsdb";
import { type LacpPdu, macOf } from "@weft/packet";
import type { Runtime, Timer } from "@weft/runtime";
import type { VsSchema } from "@weft/schemas";
import type { Configuration } from "../bridge/configure.ts";
import type { InterfaceRow, PortRow } from "../bridge/desired.ts";
import type { ManagedBridge } from "../bridge/managed.ts";
import type { Datapath } from "../datapath/datapath.ts";
import { WORD } from "../flow/key.ts";
import type { Bundle, OfPort } from "../ofproto/port.ts";
import { Bond } from "./bond.ts";
import { bondConfig, lacpPortId, lacpPortPriority, lacpSettings } from "./config.ts";
import { LacpSession, lacpFrame } from "./lacp.ts";
import { sendLearning } from "./learning.ts";

export class Bonds {
  readonly #runtime: Runtime;
  readonly #datapath: Datapath;
  readonly #changed: () => void;
  readonly #bundles = new Set<Bundle>();
  #timer: Timer | undefined;
  /** Of the columns that say how bonds are, as they were told last. */
  #told = "";

  /** `changed` is called when what the database says of bonds and LACP may be otherwise. */
  constructor(runtime: Runtime, datapath: Datapath, changed: () => void) {
    this.#runtime = runtime;
    this.#datapath = datapath;
    this.#changed = changed;
  }

  /** Makes bonds and sessions what the Port table asks for. */
  apply(configuration: Configuration, db: Replica<VsSchema>): void {
    const left = new Set(this.#bundles);
    for (const held of configuration.bridges.values()) {
      for (const uuid of db.table("Bridge").get(held.uuid)?.ports ?? []) {
        const row = db.table("Port").get(uuid);
        const bundle = row === undefined ? undefined : held.bridge.bundles.get(row.name);
        if (row === undefined || bundle === undefined) continue;
        const members = row.interfaces.flatMap((one) => db.table("Interface").get(one) ?? []);
        this.#applyLacp(held, bundle, row, members);
        this.#applyBond(bundle, row, members);
        if (bundle.bond === undefined && bundle.lacp === undefined) continue;
        this.#bundles.add(bundle);
        left.delete(bundle);
      }
    }
    for (const bundle of left) this.#forget(bundle);
    this.refresh();
  }

  #applyLacp(held: ManagedBridge, bundle: Bundle, row: PortRow, rows: readonly InterfaceRow[]): void {
    const first = held.interfaces.get(rows[0]?.name ?? "")?.port;
    const settings = lacpSettings(row, rows, first?.ofport ?? 0, held.mac);
    if (settings === undefined) {
      bundle.lacp = undefined;
      return;
    }
    const members = new Map(
      rows.flatMap((one) => {
        const port = held.interfaces.get(one.name)?.port;
        if (port === undefined) return [];
        return [[one.name, { port: lacpPortId(one) ?? port.ofport, portPriority: lacpPortPriority(one) }] as const];
      }),
    );
    const { clock, log } = this.#runtime;
    bundle.lacp ??= new LacpSession(
      {
        name: row.name,
        clock,
        log: log.logger("lacp"),
        send: (member, pdu) => this.#send(bundle, member, pdu),
      },
      settings,
    );
    bundle.lacp.configure(settings, members);
  }

  #applyBond(bundle: Bundle, row: PortRow, rows: readonly InterfaceRow[]): void {
    if (rows.length < 2) {
      bundle.bond?.close();
      bundle.bond = undefined;
      return;
    }
    const config = bondConfig(row);
    if (bundle.bond === undefined) {
      const { clock, log } = this.#runtime;
      if (row.bond_mode === undefined)
        log
          .logger("bridge")
          .warn(
            `port ${row.name}: Using the default bond_mode active-backup. Note that in previous versions, the default bond_mode was balance-slb`,
          );
      const activeChanged = (bond: Bond): void => {
        if (bond.lacp?.negotiated !== true) sendLearning(this.#datapath, bundle);
      };
      bundle.bond = new Bond({ name: row.name, datapath: this.#datapath, clock, log: log.logger("bond"), activeChanged }, config);
    }
    bundle.bond.configure(config, bundle.ports, bundle.lacp);
    this.#datapath.invalidate();
  }

  #forget(bundle: Bundle): void {
    bundle.bond?.close();
    bundle.bond = undefined;
    bundle.lacp = undefined;
    this.#bundles.delete(bundle);
  }

  #send(bundle: Bundle, member: string, pdu: LacpPdu): void {
    const port = bundle.ports.find(({ name }) => name === member);
    if (port === undefined) return;
    this.#datapath.runActions(bundle.bridge, lacpFrame(macOf(port.mac), pdu), [{ type: "output", port: port.ofport }], (key) => {
      key[WORD.in_port] = OFPP.NONE;
    });
  }

  /** A frame of the slow protocols has come in by a port whose bundle speaks LACP. */
  receive(port: OfPort, frame: Uint8Array): void {
    port.bundle?.lacp?.receive(port.name, frame);
    this.refresh();
  }

  /** Links may have changed, or time has passed. */
  refresh(): void {
    for (const { lacp, bond, ports } of this.#bundles) {
      for (const { name, carrier } of ports) lacp?.observeCarrier(name, carrier);
      lacp?.passTime();
      bond?.observe();
    }
    this.#schedule();
    const now = [...this.#bundles]
      .map(({ bond, lacp, ports }) => `${bond?.activeMac} ${ports.map(({ name }) => lacp?.current(name)).join()}`)
      .join(";");
    if (now === this.#told) return;
    this.#told = now;
    this.#changed();
  }

  #schedule(): void {
    const { clock } = this.#runtime;
    this.#timer?.cancel();
    const due = Math.min(
      ...[...this.#bundles].flatMap(({ bond, lacp }) => [bond?.due, lacp?.due]).map((time) => time ?? Number.POSITIVE_INFINITY),
    );
    this.#timer =
      due === Number.POSITIVE_INFINITY ? undefined : clock.after(Math.max(0, due - clock.now()), () => this.refresh(), true);
  }

  close(): void {
    this.#timer?.cancel();
    for (const bundle of this.#bundles) this.#forget(bundle);
  }

  /** By name. */
  get bundles(): readonly Bundle[] {
    return [...this.#bundles].sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}
