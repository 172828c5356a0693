import type { Host } from "@weft/runtime";
import { daemonOptions, type GivenOption, loggingOptions, type OptionRow, tlsOptions } from "../options.ts";
import { type Family, versionText } from "../version.ts";
import type { DaemonOptions } from "./daemon.ts";

/** The options that every daemon takes, besides its own. */
export const commonDaemonOptions: readonly OptionRow[] = [
  ...daemonOptions,
  ...loggingOptions,
  ...tlsOptions,
  { name: "unixctl", argument: "required" },
  { name: "help", short: "h" },
  { name: "version", short: "V" },
];

/** The daemon's part of the options given. */
export function daemonOptionsOf(given: readonly GivenOption[]): DaemonOptions {
  const last = (name: string) => given.findLast((option) => option.name === name);
  const file = (name: string) => {
    const option = last(name);
    return option && (option.value ?? (true as const));
  };
  const pidfile = file("pidfile");
  const logFile = file("log-file");
  const unixctl = last("unixctl")?.value;
  return {
    ...(pidfile === undefined ? {} : { pidfile }),
    ...(logFile === undefined ? {} : { logFile }),
    ...(unixctl === undefined ? {} : { unixctl }),
    overwritePidfile: last("overwrite-pidfile") !== undefined,
    verbose: given.filter(({ name }) => name === "verbose").map(({ value }) => value ?? ""),
  };
}

/** Answers --help and --version; true when one of them was given and the program is done. */
export async function answeredForItself(
  host: Host,
  program: string,
  family: Family,
  given: readonly GivenOption[],
  help: string,
): Promise<boolean> {
  const asked = given.find(({ name }) => name === "help" || name === "version");
  if (!asked) return false;
  await host.stdout.write(asked.name === "help" ? help : versionText(program, family));
  return true;
}

/** The part of a daemon's --help that is the same for all. */
export const commonDaemonHelp = `
Daemon options:
  --detach                run in background as daemon
  --no-chdir              do not chdir to '/'
  --pidfile[=FILE]        create pidfile
  --overwrite-pidfile     with --pidfile, start even if already running

Logging options:
  -vSPEC, --verbose=SPEC  set logging levels
  -v, --verbose           set maximum verbosity level
  --log-file[=FILE]       enable logging to specified FILE

TLS options:
  -p, --private-key=FILE  file with private key
  -c, --certificate=FILE  file with certificate for private key
  -C, --ca-cert=FILE      file with peer CA certificate
  --bootstrap-ca-cert=FILE  file with peer CA certificate to read or create
  --peer-ca-cert=FILE     file with CA certificates to show to peers
  --ssl-protocols=PROTOS, --ssl-ciphers=CIPHERS, --ssl-ciphersuites=SUITES
                          TLS versions and ciphers
  --ssl-server-name=NAME  name for Server Name Indication

Other options:
  --unixctl=SOCKET        override default control socket name
  -h, --help              display this help message
  -V, --version           display version information
`;
