/** The ovsdb-server/* commands of a running server: ovsdb-server(1) "RUNTIME MANAGEMENT COMMANDS". */
import { type ControlCommand, type LogBook, type Logger, messageOf, WeftError } from "@weft/runtime";
import { datumText } from "../datum.ts";
import type { RowDelta } from "../engine/table.ts";
import { OvsdbError } from "../error.ts";
import type { ConfigurationFile } from "./configuration.ts";
import type { Replication } from "./replication.ts";
import type { OvsdbServer } from "./server.ts";

function refusal(message: string): WeftError {
  return new WeftError("ovsdb.control", message, { blame: "caller" });
}

/** Which tables' changes are logged (ovsdb-server/tlog-set). */
class TableLogging {
  readonly #server: OvsdbServer;
  readonly #logger: Logger;
  readonly #on = new Map<string, { readonly tables: Set<string>; readonly stop: () => void }>();

  constructor(server: OvsdbServer, logger: Logger) {
    this.#server = server;
    this.#logger = logger;
  }

  set(name: string, choice: string): string {
    const [databaseName = "", tableName, ...rest] = name.split(":");
    if (tableName === undefined || rest.length > 0) throw refusal("invalid DB:TABLE argument");
    const served = this.#server.databases.get(databaseName);
    if (served === undefined) throw refusal("no such database");
    if (served.database.table(tableName) === undefined) throw refusal("no such table");
    if (choice !== "on" && choice !== "off") throw refusal("invalid command argument");
    let entry = this.#on.get(databaseName);
    if (entry === undefined) {
      const tables = new Set<string>();
      entry = { tables, stop: served.onCommit((deltas) => this.#log(tables, deltas)) };
      this.#on.set(databaseName, entry);
    }
    if (choice === "on") entry.tables.add(tableName);
    else entry.tables.delete(tableName);
    return "";
  }

  #log(tables: ReadonlySet<string>, deltas: readonly RowDelta[]): void {
    for (const { table, before, after } of deltas) {
      if (!tables.has(table.name)) continue;
      const operation = before === undefined ? "inserted" : after === undefined ? "deleted" : "updated";
      const row = after ?? before!;
      const columns = table.schema.allColumns.map((column) => `${column.name}:${datumText(row.cell(column), column.type)}`);
      this.#logger.info(`table:${table.name},op:${operation},${columns.join(",")}`);
    }
  }

  list(): string {
    let text = "database        table                       logging\n--------        -----                       -------\n";
    for (const served of [...this.#server.databases.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      text += `${served.name.padEnd(16)} \n`;
      for (const table of [...served.database.tables.keys()].sort()) {
        text += `                ${table.padEnd(27)} ${this.#on.get(served.name)?.tables.has(table) === true ? "ON" : "OFF"}\n`;
      }
    }
    return text;
  }
}

/** Commands that a program hangs into its control socket. */
export function serverCommands(
  server: OvsdbServer,
  replication: Replication,
  configuration: ConfigurationFile | undefined,
  log: LogBook,
): ControlCommand[] {
  const logger = log.logger("ovsdb_server");
  const tables = new TableLogging(server, log.logger("transaction"));
  const command = (
    name: string,
    usage: string,
    [minArgs, maxArgs]: readonly [number, number],
    run: (args: readonly string[]) => string | Promise<string>,
  ): ControlCommand => ({ name, usage, minArgs, maxArgs, run });
  /** The message of a database error without its kind, as these commands reply it. */
  const detailed = async (work: Promise<unknown>): Promise<string> => {
    try {
      await work;
      return "";
    } catch (error) {
      throw error instanceof OvsdbError ? refusal(error.io === undefined ? error.details : error.message) : error;
    }
  };
  /** A command that changes what a configuration file says, where there is one. */
  const changing: typeof command = (name, usage, count, run) =>
    command(name, usage, count, (args) => {
      if (configuration !== undefined) throw refusal(`Update the ${configuration.path} and use ovsdb-server/reload instead`);
      return run(args);
    });
  const probeInterval = (text: string | undefined): number => {
    if (text === undefined || !/^\d+$/.test(text)) throw refusal("Invalid probe interval, integer value expected");
    return Number(text);
  };
  return [
    command("ovsdb-server/list-dbs", "", [0, 0], () => lines([...server.databases.keys()].sort())),
    changing("ovsdb-server/add-db", "DB", [1, 1], async ([name = ""]) => {
      try {
        await server.addNamed(name);
        replication.apply();
      } catch (error) {
        throw refusal(messageOf(error));
      }
      return "";
    }),
    changing("ovsdb-server/remove-db", "DB", [1, 1], ([name = ""]) => detailed(server.removeDatabase(name))),
    changing("ovsdb-server/add-remote", "REMOTE", [1, 1], ([remote = ""]) => {
      if (remote.startsWith("pfd:")) throw refusal("pfd: remotes can only be specified on the command line");
      return detailed(server.addRemote(remote, true));
    }),
    changing("ovsdb-server/remove-remote", "REMOTE", [1, 1], async ([remote = ""]) => {
      if (!(await server.removeRemote(remote))) throw refusal("no such remote");
      return "";
    }),
    command("ovsdb-server/list-remotes", "", [0, 0], () => lines(server.remotes)),
    command("ovsdb-server/compact", "", [0, 1], ([name]) => {
      for (const served of server.databases.values()) {
        if (!served.readOnly && (name === undefined || name === served.name)) {
          logger.info(`compacting ${served.name} database by user request`);
        }
      }
      return detailed(server.compact(name));
    }),
    command("ovsdb-server/reconnect", "", [0, 0], () => {
      server.disconnectAll("user ran ovsdb-server/reconnect");
      return "";
    }),
    command("ovsdb-server/sync-status", "", [0, 0], () => replication.status()),
    command("ovsdb-server/get-db-storage-status", "DB", [1, 1], ([name = ""]) => {
      if (!server.databases.has(name)) throw refusal("Failed to find the database.");
      return "status: ok\n";
    }),
    command("ovsdb-server/tlog-set", "DB:TABLE on|off", [2, 2], ([table = "", choice = ""]) => tables.set(table, choice)),
    command("ovsdb-server/tlog-list", "", [0, 0], () => tables.list()),
    command("ovsdb-server/memory-trim-on-compaction", "on|off", [1, 1], ([choice]) => {
      if (choice !== "on" && choice !== "off") throw refusal("invalid argument");
      logger.info(`memory trimming after compaction ${choice === "on" ? "enabled" : "disabled"}.`);
      return "";
    }),
    command("ovsdb-server/reload", "", [0, 0], async () => {
      if (configuration === undefined) throw refusal("Configuration file was not specified on command line");
      if (!(await configuration.load())) throw refusal("Configuration failed.  See the log file for details.");
      return "";
    }),
    command("ovsdb-server/get-active-ovsdb-server", "", [0, 0], () =>
      lines([replication.activeServer].filter((name) => name !== "")),
    ),
    changing("ovsdb-server/set-active-ovsdb-server", "", [1, 1], ([remote = ""]) => {
      replication.activeServer = remote;
      return "";
    }),
    changing("ovsdb-server/connect-active-ovsdb-server", "", [0, 0], () => {
      if (replication.activeServer === "") return "Unable to connect: active server is not specified.\n";
      replication.connect();
      return "";
    }),
    changing("ovsdb-server/disconnect-active-ovsdb-server", "", [0, 0], () => {
      replication.disconnect();
      return "";
    }),
    changing("ovsdb-server/set-active-ovsdb-server-probe-interval", "", [1, 1], ([ms]) => {
      replication.probe = probeInterval(ms);
      return "";
    }),
    changing("ovsdb-server/set-relay-source-probe-interval", "", [1, 1], ([text]) => {
      const ms = probeInterval(text);
      for (const relay of server.relays.values()) relay.probeInterval = ms;
      return "";
    }),
    command("ovsdb-server/get-sync-exclude-tables", "", [0, 0], () =>
      lines([replication.exclude].filter((tables) => tables !== "")),
    ),
    changing("ovsdb-server/set-sync-exclude-tables", "", [1, 1], ([tables = ""]) => {
      replication.exclude = tables;
      return "";
    }),
    command("ovsdb-server/disable-monitor-cond", "", [0, 0], () => {
      throw refusal("monitors with conditions cannot be switched off");
    }),
    // Counters of the processor, which a program in JavaScript cannot read: so says the original where it cannot either.
    command("ovsdb-server/perf-counters-show", "", [0, 0], () => "performance counter is not supported on this platform\n"),
    command("ovsdb-server/perf-counters-clear", "", [0, 0], () => ""),
    command("memory/show", "", [0, 0], () => {
      const shown = Object.entries(server.usage()).filter(([name, count]) => name !== "sessions" || count > 0);
      return `${shown.map(([name, count]) => `${name}:${count}`).join(" ")}\n`;
    }),
  ];
}

function lines(names: readonly string[]): string {
  return names.map((name) => `${name}\n`).join("");
}
