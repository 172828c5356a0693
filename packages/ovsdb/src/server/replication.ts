/** Which databases are copies of an active server's: ovsdb-server(1) "Active-Backup Options" and "Active-Backup Commands". */
import { WeftError } from "@weft/runtime";
import type { OvsdbServer } from "./server.ts";
import type { Source } from "./source.ts";

/** The role of one database in an active-backup pair. */
export interface Role {
  readonly source: Source;
  readonly excluded: ReadonlySet<string>;
  readonly backup: boolean;
}

/** As of --sync-from, --sync-exclude-tables and --active. */
export interface ReplicationOptions {
  readonly syncFrom?: string;
  /** `DB:TABLE[,DB:TABLE]...` */
  readonly exclude?: string;
  readonly active?: boolean;
}

export class Replication {
  readonly #server: OvsdbServer;
  /** For all databases alike, unless a configuration file gives each its own. */
  #activeServer: string | undefined;
  #exclude: string;
  #backup: boolean;
  #probe: number | undefined;
  readonly #roles = new Map<string, Role>();

  constructor(server: OvsdbServer, { syncFrom, exclude = "", active = false }: ReplicationOptions) {
    this.#server = server;
    this.#activeServer = syncFrom;
    this.#exclude = exclude;
    this.#backup = syncFrom !== undefined && !active;
  }

  get activeServer(): string {
    return this.#activeServer ?? "";
  }

  set activeServer(remote: string) {
    this.#activeServer = remote;
  }

  get exclude(): string {
    return this.#exclude;
  }

  /** Takes effect at once. */
  set exclude(tables: string) {
    this.#exclude = tables;
    if (this.#backup) this.apply();
  }

  /** Ms; 0 never. */
  set probe(ms: number) {
    this.#probe = ms;
    for (const backup of this.#server.backups.values()) backup.probeInterval = ms;
  }

  /** Starts copying every database. Throws WeftError where no active server was named. */
  connect(): void {
    if (this.#activeServer === undefined)
      throw new WeftError("ovsdb.control", "active server is not specified", { blame: "caller" });
    this.#backup = true;
    this.apply();
    this.#server.disconnectAll("making server read-only");
  }

  disconnect(): void {
    if (!this.#backup) return;
    this.#backup = false;
    this.apply();
    this.#server.disconnectAll("making server read/write");
  }

  /** Gives every database the role that follows from the options: at start, and when one was added. */
  apply(): void {
    if (this.#activeServer === undefined) return;
    const source: Source = { remote: this.#activeServer, ...(this.#probe === undefined ? {} : { probe: this.#probe }) };
    for (const served of this.#server.databases.values()) {
      if (served.log === undefined) continue;
      const excluded = new Set(
        this.#exclude
          .split(/[\s,]+/)
          .filter((name) => name.startsWith(`${served.name}:`))
          .map((name) => name.slice(served.name.length + 1)),
      );
      this.assign(served.name, { source, excluded, backup: this.#backup });
    }
  }

  /** Gives one database a role, or takes it away. */
  assign(name: string, role: Role | undefined): void {
    if (role === undefined) this.#roles.delete(name);
    else this.#roles.set(name, role);
    if (role?.backup === true) this.#server.startBackup(name, role.source, role.excluded);
    else this.#server.stopBackup(name);
  }

  /** The text of ovsdb-server/sync-status. */
  status(): string {
    let text = "";
    for (const [name, { excluded, source }] of [...this.#roles].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const backup = this.#server.backups.get(name);
      if (!this.#server.databases.has(name)) continue;
      text += `database: ${name}\nstate: ${backup === undefined ? "active" : "backup"}\n`;
      if (backup === undefined) text += "\n";
      else if (backup.state === "connecting") text += `connecting: ${source.remote}\n`;
      else if (backup.state === "error") text += `error: ${backup.fault}\n`;
      else {
        const tables = [...excluded].sort().map((table) => `${name}:${table}`);
        text += `replicating: ${source.remote}\n${tables.length === 0 ? "" : `exclude: ${tables.join(",")}`}\n`;
      }
    }
    return text === "" ? "state: active\n" : text;
  }
}
