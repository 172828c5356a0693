/** Ports of this chassis whose guest has shown itself (physical/activation.ts): additional-chassis-activated. */
import type { Transaction } from "@weft/ovsdb";
import type { SbSchema } from "@weft/schemas";
import type { Place } from "../model/services.ts";
import { Outbox } from "../outbox.ts";
import type { Lookup } from "./lookup.ts";
import type { OwnChassis } from "./ownChassis.ts";

const ACTIVATED = "additional-chassis-activated";

export class Activations {
  readonly #seen = new Outbox<Place>();

  activate(place: Place): void {
    this.#seen.add(`${place.datapath} ${place.port}`, place);
  }

  /** Puts what is new into a transaction. */
  write(lookup: Lookup, own: OwnChassis, transaction: Transaction<SbSchema>): void {
    for (const { datapath, port } of this.#seen.take()) {
      const row = lookup.port(datapath, port);
      if (row === undefined) continue;
      const before = (row.options.get(ACTIVATED) ?? "").split(",").filter((name) => name !== "");
      if (before.includes(own.name)) continue;
      const names = [...before, own.name].join(",");
      transaction.mutate("Port_Binding", row._uuid, "options", { delete: [ACTIVATED], insert: [[ACTIVATED, names]] });
    }
  }

  /** The last transaction has failed. */
  rewrite(): void {
    this.#seen.retry();
  }
}
