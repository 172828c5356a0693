/** The pid file of a daemon (--pidfile of ovs-vswitchd(8)), which is locked for as long as the daemon runs. */
import { type FileLocks, type Host, type LogBook, WeftError } from "@weft/runtime";

/**
 * Writes the file and locks it. Throws a WeftError where another process holds it, unless `overwrite`; a file that a process
 * left behind is replaced.
 */
export async function takePidfile(host: Host, log: LogBook, path: string, overwrite: boolean): Promise<void> {
  const locks = await locksOf(host, log);
  if (!overwrite) {
    const other = await failing<string | number | undefined>(`${path}: pidfile check failed`, ", aborting", () =>
      locks === undefined ? runningPid(host, path) : locks.holder(path),
    );
    if (other !== undefined)
      throw new WeftError("daemon.already-running", `${path}: already running as pid ${other}, aborting`, { blame: "caller" });
  }
  const bytes = new TextEncoder().encode(`${host.pid}\n`);
  await failing(`${path}.tmp: create failed`, "", () =>
    locks === undefined ? host.runtime.files.write(path, bytes) : locks.create(path, bytes),
  );
}

async function failing<T>(what: string, then: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof WeftError)) throw error;
    throw new WeftError("daemon.pidfile", `${what} (${error.message})${then}`, { blame: "caller", cause: error });
  }
}

/** A host without locks of its own, as an emulated one, is not spoken of; one that has none for want of a library is. */
async function locksOf(host: Host, log: LogBook): Promise<FileLocks | undefined> {
  try {
    return await host.fileLocks?.();
  } catch (error) {
    if (!(error instanceof WeftError)) throw error;
    log
      .logger("daemon_unix")
      .warn(
        `${error.message}. The pid file is not locked: Open vSwitch's ovs-appctl finds this daemon by its control socket only`,
      );
    return undefined;
  }
}

/** Without locks: the pid in the file, where such a process runs. */
async function runningPid(host: Host, path: string): Promise<string | undefined> {
  const { files } = host.runtime;
  if (!(await files.exists(path))) return undefined;
  const pid = new TextDecoder().decode(await files.read(path)).trim();
  const status = `/proc/${pid}/stat`;
  if (pid === "" || pid === String(host.pid) || !(await files.exists(status))) return undefined;
  // A process that ended, and that nobody has waited for, is listed as Z.
  const text = new TextDecoder().decode(await files.read(status).catch(() => new Uint8Array()));
  return /\) Z/.test(text) ? undefined : pid;
}
