/** ovsdb-server(1). */
import { startServerDaemon, type TlsSources } from "@weft/ovsdb";
import { type Host, type Program, WeftError } from "@weft/runtime";
import { runDaemon } from "../daemon/daemon.ts";
import { answeredForItself, commonDaemonHelp, commonDaemonOptions, daemonOptionsOf } from "../daemon/options.ts";
import { directoriesOf, inFolder } from "../directories.ts";
import { type GivenOption, type OptionRow, parseOptions, UsageError } from "../options.ts";

const OPTIONS: readonly OptionRow[] = [
  ...commonDaemonOptions,
  { name: "remote", argument: "required" },
  { name: "config-file", argument: "required" },
  { name: "run", argument: "required" },
  { name: "no-dbs" },
  { name: "disable-file-column-diff" },
  { name: "disable-file-no-data-conversion" },
  { name: "peer-ca-cert", argument: "required" },
  { name: "sync-from", argument: "required" },
  { name: "sync-exclude-tables", argument: "required" },
  { name: "active" },
  { name: "record", argument: "optional" },
  { name: "replay", argument: "optional" },
];

/** What the reference can do and this cannot: refused rather than ignored. */
const UNSUPPORTED = new Set([
  "config-file",
  "run",
  "sync-from",
  "sync-exclude-tables",
  "active",
  "record",
  "replay",
  "bootstrap-ca-cert",
  "peer-ca-cert",
  "disable-file-no-data-conversion",
  "monitor",
  "user",
]);

const HELP = `ovsdb-server: OVSDB database server
usage: ovsdb-server [OPTIONS] [DATABASE...]
where each DATABASE is a database file in ovsdb format.
The default DATABASE, if none is given, is
/etc/openvswitch/conf.db.

JSON-RPC options (may be specified any number of times):
  --remote=REMOTE         connect or listen to REMOTE

Active JSON-RPC connection methods:
  tcp:HOST:PORT           PORT at remote HOST
  ssl:HOST:PORT           SSL/TLS PORT at remote HOST
  unix:FILE               Unix domain socket named FILE
Passive JSON-RPC connection methods:
  ptcp:PORT[:IP]          listen to TCP PORT on IP
  pssl:PORT[:IP]          listen for SSL/TLS on PORT on IP
  punix:FILE              listen on Unix domain socket FILE
  db:DB,TABLE,COLUMN      the methods that a column names

Other database options:
  --no-dbs                do not add default database
${commonDaemonHelp}`;

function tlsSources(given: readonly GivenOption[]): TlsSources | undefined {
  const value = (name: string): string | undefined => given.findLast((option) => option.name === name)?.value;
  const [privateKey, certificate, caCertificate] = [value("private-key"), value("certificate"), value("ca-cert")];
  if (privateKey === undefined && certificate === undefined && caCertificate === undefined) return undefined;
  return {
    ...(privateKey === undefined ? {} : { privateKey }),
    ...(certificate === undefined ? {} : { certificate }),
    ...(caCertificate === undefined ? {} : { caCertificate }),
  };
}

export const ovsdbServer: Program = async (args, host: Host) => {
  let given: readonly GivenOption[];
  let rest: readonly string[];
  try {
    ({ options: given, rest } = parseOptions(args, OPTIONS));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    await host.stderr.write(`ovsdb-server: ${error.message}\n`);
    return 1;
  }
  if (await answeredForItself(host, "ovsdb-server", "ovs", given, HELP)) return 0;
  const refused = given.find(({ name }) => UNSUPPORTED.has(name));
  if (refused !== undefined) {
    throw new WeftError("ovsdb.unsupported-option", `option --${refused.name} is not supported`, { blame: "caller" });
  }
  const relay = rest.find((database) => database.startsWith("relay:"));
  if (relay !== undefined) {
    throw new WeftError("ovsdb.unsupported-option", `${relay}: relay databases are not supported`, { blame: "caller" });
  }
  const noDatabases = given.some(({ name }) => name === "no-dbs");
  const directories = directoriesOf(host.env, "ovs");
  const databases =
    rest.length > 0 || noDatabases ? rest.map((path) => inFolder(host.cwd, path)) : [inFolder(directories.database, "conf.db")];
  const tls = tlsSources(given);
  return runDaemon(host, "ovsdb-server", "ovs", daemonOptionsOf(given), async ({ runtime }) => {
    if (given.some(({ name }) => name === "disable-file-column-diff")) {
      runtime.log.logger("ovsdb_server").warn("--disable-file-column-diff has no effect: changes are written as differences");
    }
    const daemon = await startServerDaemon({
      runtime,
      databases,
      remotes: given.filter(({ name }) => name === "remote").map(({ value }) => value ?? ""),
      ...(tls === undefined ? {} : { tls }),
    });
    return { commands: daemon.commands, stop: () => daemon.close() };
  });
};
