/**
 * Locks of files: that of fcntl(2) on `.NAME.~lock~` beside the file, which ovsdb-server and ovsdb-tool hold too. Node cannot take
 * it by itself: where the C library cannot be called, a file `.NAME.~holder~` names the process, and the other lock is looked at only.
 */
import { promises as fs } from "node:fs";
import { basename, dirname, join } from "node:path";
import { WeftError } from "../errors.ts";
import type { LockOutcome } from "../world.ts";

export interface TakenLock extends LockOutcome {
  /** Present where it is ours. */
  release?(): Promise<void>;
}

/** Takes the lock of a file that exists, or of what a symbolic link leads to. Throws the system's errors and WeftErrors. */
export async function takeLock(path: string): Promise<TakenLock> {
  const target = await fs.realpath(path);
  const beside = (kind: string) => join(dirname(target), `.${basename(target)}.~${kind}~`);
  const lockPath = beside("lock");
  const holderPath = beside("holder");
  const { linuxLock } = await import("./linux/fileLocks.ts");
  try {
    return unless(await linuxLock(lockPath), () => runningHolder(holderPath));
  } catch (error) {
    if (!(error instanceof WeftError && error.code === "host.no-ffi")) throw error;
    const caveat = `${error.message}: Open vSwitch's programs do not see that it is in use`;
    return { ...(await unless(await claim(holderPath), () => kernelHolder(lockPath))), caveat };
  }
}

/** Each kind of lock is taken first and looks for the other kind then: of two at the same time both cannot have theirs. */
async function unless(lock: TakenLock, other: () => Promise<number | undefined>): Promise<TakenLock> {
  const holder = lock.locked ? await other() : undefined;
  if (holder === undefined) return lock;
  await lock.release?.();
  return { locked: false, holder };
}

/** A process: the time when it started as well, for after a reboot its number is another's. */
interface Holder {
  readonly pid: number;
  readonly start: number;
}

let claims = 0;

/** Makes a file that names this process, unless one is there that names a running process. */
export async function claim(path: string): Promise<TakenLock> {
  const own = `${path}.${process.pid}.${claims++}`;
  await fs.writeFile(own, `${process.pid} ${(await startOf(process.pid)) ?? 0}\n`);
  const ours: TakenLock = { locked: true, release: () => fs.unlink(path) };
  try {
    for (;;) {
      if (await linked(own, path)) return ours;
      const holder = await holderIn(path);
      if (holder === undefined) continue; // It has just been released.
      if (await isRunning(holder)) return { locked: false, holder: holder.pid };
      // Those who find the same dead process take its place one at a time, and all but the first find another there.
      const turn = await claim(`${path}~`);
      if (!turn.locked) return turn;
      try {
        const still = await holderIn(path);
        if (still?.pid !== holder.pid || still.start !== holder.start) continue;
        await fs.rename(own, path);
        return ours;
      } finally {
        await turn.release?.();
      }
    }
  } finally {
    await fs.rm(own, { force: true });
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await fs.link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await fs.readFile(path, "utf8");
  } catch (error) {
    // ESRCH: a process that ended while /proc was read.
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code!)) return undefined;
    throw error;
  }
}

/** Undefined: there is no such file. */
async function holderIn(path: string): Promise<Holder | undefined> {
  const text = await textOf(path);
  if (text === undefined) return undefined;
  const [pid = 0, start = 0] = text.split(" ").map(Number);
  return { pid, start };
}

async function runningHolder(path: string): Promise<number | undefined> {
  const holder = await holderIn(path);
  return holder !== undefined && (await isRunning(holder)) ? holder.pid : undefined;
}

/** The process that holds a lock of fcntl(2) on a file, as proc_locks(5) tells. */
async function kernelHolder(path: string): Promise<number | undefined> {
  const locks = await textOf("/proc/locks");
  const file = await fs.stat(path, { bigint: true }).catch(() => undefined);
  if (locks === undefined || file === undefined) return undefined;
  // dev_t has the lower 12 bits of the major number at 8, and of the minor number 8 bits at 0, the others at 20.
  const major = (file.dev >> 8n) & 0xfffn;
  const minor = (file.dev & 0xffn) | ((file.dev >> 12n) & 0xfff00n);
  const hex = (number: bigint) => number.toString(16).padStart(2, "0");
  const line = new RegExp(`POSIX +\\S+ +WRITE (\\d+) ${hex(major)}:${hex(minor)}:${file.ino} `).exec(locks);
  return line === null ? undefined : Number(line[1]);
}

/**
 * When a process was started, in clock ticks since the system was (proc(5)); undefined where it is gone, or has ended and
 * only its parent has not asked yet.
 */
async function startOf(pid: number): Promise<number | undefined> {
  const stat = (await textOf(`/proc/${pid}/stat`)) ?? "";
  // The second field, in parentheses, is a name with anything in it.
  const [state, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return stat === "" || state === "Z" || state === "X" ? undefined : Number(rest[18]);
}

async function isRunning({ pid, start }: Holder): Promise<boolean> {
  if (!(pid > 0)) return false;
  if ((await startOf(process.pid)) !== undefined) return (await startOf(pid)) === start;
  // A system without /proc.
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
