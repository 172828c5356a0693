/** bind_vport: a virtual port (type "virtual", ovn-nb(5)) is where the parent is that has announced its address. */
import type { Transaction, Uuid } from "@weft/ovsdb";
import type { Clock, Logger } from "@weft/runtime";
import type { SbRow, SbSchema } from "@weft/schemas";
import { Outbox } from "../outbox.ts";
import type { Lookup } from "./lookup.ts";
import type { OwnChassis } from "./ownChassis.ts";

interface Bound {
  /** Tunnel keys. */
  readonly datapath: number;
  readonly port: number;
  readonly parent: number;
}

/** For so long (ms) a port stays where it is, whoever announces its address. */
const PATIENCE = 500;

export class VirtualPorts {
  readonly #clock: Clock;
  readonly #log: Logger;
  /** The parent of a port, here or elsewhere, and since when it is that (monotonic ms). */
  readonly #places = new Map<Uuid, { readonly parent: string | undefined; readonly since: number }>();
  readonly #bound = new Outbox<Bound>();

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  bind(bound: Bound): void {
    this.#bound.add(`${bound.datapath} ${bound.port}`, bound);
  }

  /** Takes note of a row that has changed; undefined: it is gone. */
  changed(uuid: Uuid, row: SbRow<"Port_Binding"> | undefined): void {
    if (row?.type !== "virtual") {
      this.#places.delete(uuid);
      return;
    }
    const before = this.#places.get(uuid);
    if (before !== undefined && before.parent === row.virtual_parent) return;
    const since = before === undefined ? Number.NEGATIVE_INFINITY : this.#clock.now();
    this.#places.set(uuid, { parent: row.virtual_parent, since });
  }

  /** Puts what is new into a transaction. */
  write(lookup: Lookup, own: OwnChassis, transaction: Transaction<SbSchema>): void {
    for (const { datapath, port, parent } of this.#bound.take()) {
      const row = lookup.port(datapath, port);
      const name = lookup.port(datapath, parent)?.logical_port;
      if (row === undefined || name === undefined || row.type !== "virtual") continue;
      if (row.chassis === own.uuid && row.virtual_parent === name) continue;
      if (row.virtual_parent !== undefined && this.#clock.now() < (this.#places.get(row._uuid)?.since ?? 0) + PATIENCE) continue;
      this.#log.info(`Claiming virtual lport ${row.logical_port} for this chassis with the virtual parent ${name}`);
      const moved = row.up === true && row.chassis !== own.uuid;
      transaction.update("Port_Binding", row._uuid, {
        chassis: own.uuid,
        virtual_parent: name,
        ...(moved ? { up: false } : {}),
      });
    }
  }

  /** The last transaction has failed. */
  rewrite(): void {
    this.#bound.retry();
  }
}
