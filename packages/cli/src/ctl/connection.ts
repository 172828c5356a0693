/** get-connection, set-connection, get-ssl, set-ssl: the same in every database of OVN, and as managers in ovs-vsctl. */
import type { AnyRow, SchemaJson, Uuid } from "@weft/ovsdb";
import type { Call, Command } from "./command.ts";

export interface ConnectionTables {
  /** The table with one row that holds the references. */
  readonly root: string;
  readonly table: string;
  readonly column: string;
  /** "connection" or "manager": the commands are named after it. */
  readonly noun: string;
  /** The log module that warns of doubtful targets. */
  readonly module: string;
}

type AnyCall = Call<SchemaJson>;
const CONNECTION_METHOD = /^(p?(tcp|ssl|unix)|fd|pfd):/;

function root(call: AnyCall, table: string): AnyRow {
  const [row] = call.db.rows(table) as Iterable<AnyRow>;
  return row!; // the program makes it before any command runs
}

export function warnOfTargets(call: Pick<AnyCall, "warn">, module: string, targets: readonly string[]): void {
  for (const target of targets) {
    if (!CONNECTION_METHOD.test(target)) call.warn(module, `target type "${target}" is possibly erroneous`);
  }
}

/** Targets as they are compared and printed: without doubles, in order. */
export function sortTargets(targets: Iterable<string>): string[] {
  return [...new Set(targets)].sort();
}

export function connectionCommands(
  { root: rootTable, table, column, noun, module }: ConnectionTables,
  group: string,
): readonly Command<SchemaJson>[] {
  const tables = [rootTable, table];
  return [
    {
      name: `get-${noun}`,
      usage: "",
      min: 0,
      max: 0,
      tables,
      group,
      help: `print the ${noun}s`,
      run(call) {
        const uuids = root(call, rootTable)[column] as readonly Uuid[];
        const targets = uuids.map((uuid) => (call.db.row(table, uuid) as AnyRow | undefined)?.target);
        for (const target of sortTargets(targets.filter((target) => typeof target === "string"))) call.print(`${target}\n`);
      },
    },
    {
      name: `del-${noun}`,
      usage: "",
      min: 0,
      max: 0,
      tables,
      group,
      help: `delete the ${noun}s`,
      run(call) {
        const row = root(call, rootTable);
        for (const uuid of row[column] as readonly Uuid[]) call.db.delete(table, uuid);
        call.db.update(rootTable, row._uuid, { [column]: [] as never });
      },
    },
    {
      name: `set-${noun}`,
      usage: "TARGET...",
      min: 1,
      max: Number.POSITIVE_INFINITY,
      options: "--inactivity-probe=",
      tables,
      group,
      help: `set the ${noun}s`,
      run(call) {
        const row = root(call, rootTable);
        warnOfTargets(call, module, call.args);
        const targets = sortTargets(call.args);
        const probe = call.option("inactivity-probe");
        const there = (row[column] as readonly Uuid[]).map((uuid) => call.db.row(table, uuid) as AnyRow | undefined);
        const same = sortTargets(there.map((found) => String(found?.target))).join("\n") === targets.join("\n");
        if (same && probe === undefined) return;
        for (const uuid of row[column] as readonly Uuid[]) call.db.delete(table, uuid);
        const handles = targets.map((target) =>
          call.db.insert(table, {
            target: target as never,
            ...(probe === undefined ? {} : { inactivity_probe: Number(probe) as never }),
          }),
        );
        call.db.update(rootTable, row._uuid, { [column]: handles as never });
      },
    },
  ];
}

/** The commands for the SSL table, which `column` of `root` refers to. */
export function sslCommands(rootTable: string, column: string, withCiphers: boolean): readonly Command<SchemaJson>[] {
  const tables = [rootTable, "SSL"];
  const group = "SSL/TLS commands";
  const current = (call: AnyCall): AnyRow | undefined => {
    const uuid = root(call, rootTable)[column] as Uuid | undefined;
    return uuid === undefined ? undefined : (call.db.row("SSL", uuid) as AnyRow | undefined);
  };
  const clear = (call: AnyCall): void => {
    const row = current(call);
    if (row !== undefined) call.db.delete("SSL", row._uuid);
    call.db.update(rootTable, root(call, rootTable)._uuid, { [column]: undefined as never });
  };
  return [
    {
      name: "get-ssl",
      usage: "",
      min: 0,
      max: 0,
      tables,
      group,
      help: "print the SSL/TLS configuration",
      run(call) {
        const row = current(call);
        if (row === undefined) return;
        call.print(`Private key: ${row.private_key}\n`);
        call.print(`Certificate: ${row.certificate}\n`);
        call.print(`CA Certificate: ${row.ca_cert}\n`);
        call.print(`Bootstrap: ${row.bootstrap_ca_cert === true}\n`);
      },
    },
    { name: "del-ssl", usage: "", min: 0, max: 0, tables, group, help: "delete the SSL/TLS configuration", run: clear },
    {
      name: "set-ssl",
      usage: withCiphers
        ? "PRIVATE-KEY CERTIFICATE CA-CERT [SSL-PROTOS] [SSL-CIPHERS] [SSL-CIPHERSUITES]"
        : "PRIVATE-KEY CERTIFICATE CA-CERT",
      min: 3,
      max: withCiphers ? 6 : 3,
      options: "--bootstrap",
      tables,
      group,
      help: "set the SSL/TLS configuration",
      run(call) {
        clear(call);
        const [private_key, certificate, ca_cert, ssl_protocols, ssl_ciphers, ssl_ciphersuites] = call.args;
        const given = { private_key, certificate, ca_cert, ssl_protocols, ssl_ciphers, ssl_ciphersuites };
        const columns = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
        const handle = call.db.insert("SSL", { ...columns, bootstrap_ca_cert: call.has("bootstrap") } as never);
        call.db.update(rootTable, root(call, rootTable)._uuid, { [column]: handle as never });
      },
    },
  ];
}
