/**
 * Bridges, ports and interfaces as ovs-vsctl(8) sees them: a port with `fake_bridge` is a bridge of its own on a VLAN of
 * its parent, and the parent's ports on that VLAN belong to it.
 */
import type { Uuid } from "@weft/ovsdb";
import type { VsRow, VsSchema } from "@weft/schemas";
import type { Call, Command } from "../command.ts";
import { fail } from "../error.ts";

export type VsCall = Call<VsSchema>;
export type VsCommand = Command<VsSchema>;

export interface Bridge {
  readonly name: string;
  /** The Bridge row: of a fake bridge its parent's. */
  readonly row: VsRow<"Bridge">;
  readonly parent: Bridge | undefined;
  readonly vlan: number;
  /** Of a fake bridge: the port that makes it. */
  readonly port: VsRow<"Port"> | undefined;
}

export interface Port {
  readonly row: VsRow<"Port">;
  readonly bridge: Bridge;
  readonly interfaces: readonly VsRow<"Interface">[];
}

export const tables = ["Open_vSwitch", "Bridge", "Port", "Interface"] as const;

export class Model {
  readonly #call: VsCall;
  readonly bridges = new Map<string, Bridge>();
  /** Ports without the local ports of bridges. */
  readonly ports = new Map<string, Port>();

  /** Made anew for each command: commands before it in the same transaction have changed rows. */
  constructor(call: VsCall) {
    this.#call = call;
    for (const root of call.db.rows("Open_vSwitch")) for (const uuid of root.bridges) this.#addBridge(uuid);
    const names = [...this.bridges.values()].sort((a, b) => (a.parent === undefined ? 0 : 1) - (b.parent === undefined ? 0 : 1));
    for (const bridge of names) if (bridge.parent === undefined) this.#addPorts(bridge);
  }

  #addBridge(uuid: Uuid): void {
    const row = this.#call.db.row("Bridge", uuid);
    if (row === undefined) return;
    const bridge: Bridge = { name: row.name, row, parent: undefined, vlan: 0, port: undefined };
    this.bridges.set(row.name, bridge);
    for (const port of this.#portsOf(row)) {
      if (port.fake_bridge && port.tag !== undefined && port.name !== row.name) {
        this.bridges.set(port.name, { name: port.name, row, parent: bridge, vlan: port.tag, port });
      }
    }
  }

  #addPorts(bridge: Bridge): void {
    const fakes = [...this.bridges.values()].filter(({ parent }) => parent?.name === bridge.name);
    for (const row of this.#portsOf(bridge.row)) {
      if (this.bridges.has(row.name)) continue;
      const home = (row.tag === undefined ? undefined : fakes.find(({ vlan }) => vlan === row.tag)) ?? bridge;
      const interfaces = row.interfaces
        .map((uuid) => this.#call.db.row("Interface", uuid))
        .filter((found) => found !== undefined);
      this.ports.set(row.name, { row, bridge: home, interfaces });
    }
  }

  #portsOf(row: VsRow<"Bridge">): VsRow<"Port">[] {
    return row.ports.map((uuid) => this.#call.db.row("Port", uuid)).filter((found) => found !== undefined);
  }

  needBridge(name: string): Bridge {
    return this.bridges.get(name) ?? fail(`no bridge named ${name}`);
  }

  needPort(name: string): Port {
    return this.ports.get(name) ?? fail(`no port named ${name}`);
  }

  /** The port that an interface belongs to; not the local port of a bridge. */
  portOfInterface(name: string): Port | undefined {
    for (const port of this.ports.values()) if (port.interfaces.some((row) => row.name === name)) return port;
    return undefined;
  }

  needPortOfInterface(name: string): Port {
    return this.portOfInterface(name) ?? fail(`no interface named ${name}`);
  }

  portsOf(bridge: Bridge): Port[] {
    return [...this.ports.values()].filter((port) => port.bridge.name === bridge.name);
  }

  /** Fails where something has this name already. */
  checkFree(name: string, what: string): void {
    const because = (kind: string, on?: Bridge) =>
      fail(
        `cannot create ${what} named ${name} because ${kind} named ${name} already exists${on === undefined ? "" : ` on bridge ${on.name}`}`,
      );
    if (this.bridges.has(name)) because("a bridge");
    const port = this.ports.get(name);
    if (port !== undefined) because("a port", port.bridge);
    const holder = this.portOfInterface(name);
    if (holder !== undefined) because("an interface", holder.bridge);
  }

  /** Deletes a port's row, its interfaces, and the reference to it. */
  deletePort(bridge: Bridge, row: VsRow<"Port">): void {
    const { db } = this.#call;
    for (const uuid of row.interfaces) db.delete("Interface", uuid);
    db.mutate("Bridge", bridge.row._uuid, "ports", { delete: [row._uuid] });
    db.delete("Port", row._uuid);
  }
}

export function byName<T extends { readonly name: string }>(rows: Iterable<T>): string[] {
  return [...rows].map(({ name }) => name).sort();
}

/** Names of interfaces that the switch has yet to set up: told of when that fails. */
export function remember(call: VsCall, name: string): void {
  const kept = (call.kept ?? []) as string[];
  call.kept = [...kept, name];
}
