/** The places of a table's rows, by uuid and in order of insertion. */
import type { Uuid } from "../value.ts";
import { HashIndex, hashOf } from "./hashIndex.ts";
import { hasUuid, type PackedRow, uuidOf } from "./packedRow.ts";
import { Row } from "./row.ts";
import type { Table } from "./table.ts";

/** What the transaction in progress has to do with a slot. */
export class Change {
  readonly slot: Slot;
  readonly uuid: Uuid;
  /** The row as of the last commit. */
  readonly before: Row | undefined;
  /** The row as the transaction sees it; undefined when deleted. */
  row: Row | undefined;
  /** What the transaction adds to the slot's `refs`. */
  refs = 0;
  /** Whether the transaction has inserted, updated or deleted the row. */
  touched = false;
  /** Whether it has counted references to the row. */
  counted = false;

  /** Of a row as of the last commit; for an insert of the new row in place of one. */
  constructor(slot: Slot, before: Row | undefined, row = before) {
    this.slot = slot;
    this.uuid = row!.uuid; // one of them is given
    this.before = before;
    this.row = row;
  }
}

/** The place of one uuid in a table: its row, and how many refer to it. */
export class Slot {
  readonly table: Table;
  /** The row at rest; while the transaction in progress has to do with it, what that is. */
  state: PackedRow | Change;
  /** Strong references from other rows, as of the last commit. */
  refs = 0;
  /** Where it stands in the table's {@link Slots}; -1 for nowhere. */
  place = -1;

  constructor(table: Table, row: PackedRow) {
    this.table = table;
    this.state = row;
  }

  get isDeleted(): boolean {
    return typeof this.state !== "string" && this.state.row === undefined;
  }

  get change(): Change | undefined {
    return typeof this.state === "string" ? undefined : this.state;
  }

  get uuid(): Uuid {
    return typeof this.state === "string" ? uuidOf(this.state) : this.state.uuid;
  }

  /** The row as the transaction in progress sees it; undefined when deleted by it. */
  get row(): Row | undefined {
    return typeof this.state === "string" ? Row.unpack(this.table, this.state) : this.state.row;
  }

  /** The row as of the last commit. */
  get committed(): Row | undefined {
    return typeof this.state === "string" ? Row.unpack(this.table, this.state) : this.state.before;
  }

  is(uuid: Uuid): boolean {
    return typeof this.state === "string" ? hasUuid(this.state, uuid) : this.state.uuid === uuid;
  }
}

/** Empty places that are kept, besides one for each slot. */
const SPARE = 32;

export class Slots {
  readonly #byUuid = new HashIndex();
  #places: (Slot | undefined)[] = [];
  /** Other indexes of the places. */
  readonly #others: HashIndex[] = [];

  get size(): number {
    return this.#byUuid.size;
  }

  /** Another index of the slots, by their places. */
  index(): HashIndex {
    const index = new HashIndex();
    this.#others.push(index);
    return index;
  }

  at(place: number): Slot | undefined {
    return this.#places[place];
  }

  /** `hash` is that of the uuid's text, here and in {@link add}. */
  get(uuid: Uuid, hash = hashOf(uuid)): Slot | undefined {
    return this.#places[this.#byUuid.find(hash, (place) => this.#places[place]!.is(uuid))];
  }

  has(uuid: Uuid): boolean {
    return this.get(uuid) !== undefined;
  }

  /** Its uuid must not be there yet. */
  add(slot: Slot, hash = hashOf(slot.uuid)): void {
    if (this.#places.length > 2 * this.size + SPARE) this.#close();
    slot.place = this.#places.length;
    this.#places.push(slot);
    this.#byUuid.add(hash, slot.place);
  }

  delete(slot: Slot): void {
    if (slot.place < 0) return;
    this.#byUuid.delete(hashOf(slot.uuid), slot.place);
    this.#places[slot.place] = undefined;
    slot.place = -1;
  }

  *[Symbol.iterator](): Iterator<Slot> {
    // Not for...of: it looks at what comes meanwhile too.
    const places = this.#places;
    for (let i = 0; i < places.length; i++) {
      const slot = places[i];
      if (slot !== undefined) yield slot;
    }
  }

  /** Closes the gaps that deleted slots have left. */
  #close(): void {
    const old = this.#places;
    const moved = new Int32Array(old.length);
    this.#places = [];
    for (const [place, slot] of old.entries()) {
      if (slot === undefined) continue;
      moved[place] = this.#places.length;
      slot.place = this.#places.length;
      this.#places.push(slot);
    }
    for (const index of [this.#byUuid, ...this.#others]) index.renumber(moved);
  }
}
