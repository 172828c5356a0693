import { type Host, type TlsOptions, WeftError } from "@weft/runtime";
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

/** Reads the files that the TLS options name. Throws WeftError "files.*" naming the file. */
export async function tlsOptionsOf(host: Host, given: readonly GivenOption[]): Promise<TlsOptions | undefined> {
  const read = async (name: string) => {
    const path = given.findLast((option) => option.name === name)?.value;
    return path === undefined || path === "none" ? undefined : new TextDecoder().decode(await host.runtime.files.read(path));
  };
  const [privateKey, certificate, caCertificate] = await Promise.all(["private-key", "certificate", "ca-cert"].map(read));
  const acceptAny = given.some(({ name, value }) => name === "ca-cert" && value === "none");
  if (given.some(({ name }) => name === "bootstrap-ca-cert")) {
    throw new WeftError("tls.no-bootstrap", "--bootstrap-ca-cert is not supported: give the CA's certificate with --ca-cert", {
      blame: "caller",
    });
  }
  if (!privateKey && !certificate && !caCertificate && !acceptAny) return undefined;
  return {
    ...(privateKey === undefined ? {} : { privateKey }),
    ...(certificate === undefined ? {} : { certificate }),
    ...(caCertificate === undefined ? {} : { caCertificate }),
    acceptAny,
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

Other options:
  --unixctl=SOCKET        override default control socket name
  -h, --help              display this help message
  -V, --version           display version information
`;
