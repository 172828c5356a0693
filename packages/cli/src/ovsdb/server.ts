/** ovsdb-server(1). */
import { type ReplicationOptions, startServerDaemon } from "@weft/ovsdb";
import { Coverage, type Host, type Program, type TlsFiles, WeftError } from "@weft/runtime";
import { runDaemon } from "../daemon/daemon.ts";
import { answeredForItself, commonDaemonHelp, commonDaemonOptions, daemonOptionsOf } from "../daemon/options.ts";
import { directoriesOf, inFolder, networkIn } from "../directories.ts";
import { type GivenOption, type OptionRow, parseOptions, tlsFilesOf, UsageError } from "../options.ts";
import { versionLine } from "../version.ts";

const OPTIONS: readonly OptionRow[] = [
  ...commonDaemonOptions,
  { name: "remote", argument: "required" },
  { name: "config-file", argument: "required" },
  { name: "run", argument: "required" },
  { name: "no-dbs" },
  { name: "disable-file-column-diff" },
  { name: "disable-file-no-data-conversion" },
  { name: "sync-from", argument: "required" },
  { name: "sync-exclude-tables", argument: "required" },
  { name: "active" },
  { name: "record", argument: "optional" },
  { name: "replay", argument: "optional" },
];

/** What the reference can do and this cannot: refused rather than ignored. */
const UNSUPPORTED = new Set(["run", "record", "replay", "disable-file-no-data-conversion", "monitor", "user"]);

const HELP = `ovsdb-server: OVSDB database server
usage: ovsdb-server [OPTIONS] [DATABASE...]
where each DATABASE is a database file in ovsdb format, or
relay:NAME:REMOTE for the database NAME of another server.
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

Active-backup options:
  --sync-from=REMOTE      keep the databases as copies of those of REMOTE
  --sync-exclude-tables=DB:TABLE,...
                          leave tables out of that
  --active                begin as the active server, ready to be a backup

Other database options:
  --config-file=FILE      read databases and remotes from FILE
  --no-dbs                do not add default database
${commonDaemonHelp}`;

/** --sync-from and what belongs to it. */
function replicationOf(given: readonly GivenOption[]): ReplicationOptions {
  const value = (name: string): string | undefined => given.findLast((option) => option.name === name)?.value;
  const [syncFrom, exclude] = [value("sync-from"), value("sync-exclude-tables")];
  return {
    ...(syncFrom === undefined ? {} : { syncFrom }),
    ...(exclude === undefined ? {} : { exclude }),
    active: given.some(({ name }) => name === "active"),
  };
}

/** What a configuration file takes the place of. Throws UsageError where it is given nevertheless. */
function checkExclusive(given: readonly GivenOption[], databases: readonly string[]): void {
  const has = (...names: string[]): boolean => given.some(({ name }) => names.includes(name));
  if (!has("config-file")) return;
  if (databases.length > 0) throw new UsageError("Databases should be specified in a config file");
  if (has("remote")) throw new UsageError("--config-file is mutually exclusive with --remote");
  if (has("sync-from", "sync-exclude-tables", "active")) {
    throw new UsageError("--config-file is mutually exclusive with --sync-from, --sync-exclude and --active");
  }
}

export const ovsdbServer: Program = async (args, host: Host) => {
  let given: readonly GivenOption[];
  let rest: readonly string[];
  let tls: TlsFiles;
  try {
    ({ options: given, rest } = parseOptions(args, OPTIONS));
    checkExclusive(given, rest);
    tls = tlsFilesOf(given);
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
  const descriptor = given.find(({ name, value }) => name === "remote" && value?.startsWith("pfd:"));
  if (descriptor !== undefined) {
    throw new WeftError("ovsdb.unsupported-option", `${descriptor.value}: listening on given descriptors is not supported`, {
      blame: "caller",
    });
  }
  const configFile = given.findLast(({ name }) => name === "config-file")?.value;
  const noDatabases = configFile !== undefined || given.some(({ name }) => name === "no-dbs");
  const directories = directoriesOf(host.env, "ovs");
  const locate = (database: string) => (database.startsWith("relay:") ? database : inFolder(host.cwd, database));
  const databases = rest.length > 0 || noDatabases ? rest.map(locate) : [inFolder(directories.database, "conf.db")];
  return runDaemon(host, "ovsdb-server", "ovs", daemonOptionsOf(given), async ({ runtime }) => {
    if (given.some(({ name }) => name === "disable-file-column-diff")) {
      runtime.log.logger("ovsdb_server").warn("--disable-file-column-diff has no effect: changes are written as differences");
    }
    const daemon = await startServerDaemon({
      runtime: { ...runtime, net: networkIn(directories.run, runtime.net) },
      databases,
      locate,
      remotes: given.filter(({ name }) => name === "remote").map(({ value }) => value ?? ""),
      ...(Object.keys(tls).length === 0 ? {} : { tls }),
      replication: replicationOf(given),
      ...(configFile === undefined ? {} : { configFile: inFolder(host.cwd, configFile) }),
    });
    runtime.log.logger("ovsdb_server").info(versionLine("ovsdb-server", "ovs"));
    const coverage = new Coverage(runtime.clock, ["unixctl_received", "unixctl_replied"]);
    return { commands: daemon.commands, coverage, stop: () => daemon.close() };
  });
};
