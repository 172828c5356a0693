import { isAbsolute, join } from "node:path/posix";
import type { Host, Network } from "@weft/runtime";
import type { Family } from "./version.ts";

/** The folders of ovs-vswitchd(8) and ovn-northd(8) "FILES", after the environment. */
export interface Directories {
  readonly run: string;
  readonly log: string;
  readonly database: string;
  readonly sysconf: string;
  readonly pkgdata: string;
}

export function directoriesOf(env: Host["env"], family: Family): Directories {
  const [prefix, name] = family === "ovs" ? ["OVS", "openvswitch"] : ["OVN", "ovn"];
  const sysconf = env[`${prefix}_SYSCONFDIR`] ?? "/etc";
  return {
    run: env[`${prefix}_RUNDIR`] ?? `/var/run/${name}`,
    log: env[`${prefix}_LOGDIR`] ?? `/var/log/${name}`,
    // Without its own variable the database folder follows the configuration folder.
    database: env[`${prefix}_DBDIR`] ?? (family === "ovs" ? `${sysconf}/${name}` : `/var/lib/${name}`),
    sysconf,
    pkgdata: env[`${prefix}_PKGDATADIR`] ?? `/usr/share/${name}`,
  };
}

/** A path from the command line: relative ones are relative to `folder`. */
export function inFolder(folder: string, path: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}

/** The network for a daemon whose relative unix sockets are in `folder` (ovsdb(7) "Connection Methods"). */
export function networkIn(folder: string, net: Network): Network {
  const absolute = (remote: string) =>
    remote.replace(/^(p?unix:)(.+)$/, (_all, kind: string, path: string) => kind + inFolder(folder, path));
  return {
    connect: (remote, options) => net.connect(absolute(remote), options),
    listen: (remote, accept, options) => net.listen(absolute(remote), accept, options),
    datagram: (options) => net.datagram(options),
  };
}
