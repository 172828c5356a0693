import { constants, promises as fs, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { WeftError } from "../errors.ts";
import type { Files, OpenFile } from "../world.ts";

/** Wraps Node's file errors: code "files.ENOENT" and so on, the path as place. */
async function named<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown";
    throw new WeftError(`files.${code}`, `${path}: ${describeErrno(code) ?? (error as Error).message}`, {
      blame: "caller",
      place: { source: path },
      cause: error,
    });
  }
}

/** The C library's words for the errors that people meet. */
export function describeErrno(code: string): string | undefined {
  return {
    ENOENT: "No such file or directory",
    EEXIST: "File exists",
    EACCES: "Permission denied",
    EPERM: "Operation not permitted",
    ENOTDIR: "Not a directory",
    EISDIR: "Is a directory",
    ENOSPC: "No space left on device",
    ECONNREFUSED: "Connection refused",
    ECONNRESET: "Connection reset by peer",
    EPIPE: "Broken pipe",
    EADDRINUSE: "Address already in use",
    EADDRNOTAVAIL: "Cannot assign requested address",
    ETIMEDOUT: "Connection timed out",
    ENETUNREACH: "Network is unreachable",
    EHOSTUNREACH: "No route to host",
    EAGAIN: "Resource temporarily unavailable",
  }[code];
}

const flags = {
  read: constants.O_RDONLY,
  append: constants.O_RDWR | constants.O_CREAT,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
  "read-write": constants.O_RDWR,
} as const;

/**
 * Appends of up to so many bytes are made at once: that takes less time than to hand them to another thread and to hear of it,
 * and whoever waits for a transaction waits for this.
 */
const SMALL = 64 * 1024;

class NodeOpenFile implements OpenFile {
  readonly #path: string;
  readonly #handle: fs.FileHandle;
  #end: number;
  #lockPath: string | undefined;

  constructor(path: string, handle: fs.FileHandle, end: number) {
    this.#path = path;
    this.#handle = handle;
    this.#end = end;
  }

  async size(): Promise<number> {
    return this.#end;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let got = 0;
    while (got < length) {
      const { bytesRead } = await named(this.#path, this.#handle.read(bytes, got, length - got, offset + got));
      if (bytesRead === 0) break;
      got += bytesRead;
    }
    return bytes.subarray(0, got);
  }

  async append(bytes: Uint8Array): Promise<void> {
    const start = this.#end;
    this.#end += bytes.length;
    let done = 0;
    while (done < bytes.length) done += await named(this.#path, this.#write(bytes.subarray(done), start + done));
  }

  async #write(bytes: Uint8Array, position: number): Promise<number> {
    if (bytes.length <= SMALL) return writeSync(this.#handle.fd, bytes, 0, bytes.length, position);
    return (await this.#handle.write(bytes, 0, bytes.length, position)).bytesWritten;
  }

  async truncate(size: number): Promise<void> {
    await named(this.#path, this.#handle.truncate(size));
    this.#end = size;
  }

  sync(): Promise<void> {
    return named(this.#path, this.#handle.datasync());
  }

  /**
   * Node has no fcntl locks: the lock is a file `.NAME.~lock~` (the name that ovsdb-server uses) holding our pid, taken
   * over when that process is gone. The time when it started is kept too: after a reboot its number is another's.
   */
  async lock(): Promise<boolean> {
    const lockPath = join(dirname(this.#path), `.${basename(this.#path)}.~lock~`);
    const holder = await fs.readFile(lockPath, "utf8").catch(() => "");
    const [pid = 0, start] = holder.split(" ").map(Number);
    if (pid > 0 && pid !== process.pid && (await isRunning(pid, start))) return false;
    const ours = (await startOf(process.pid)) ?? 0;
    await named(lockPath, fs.writeFile(lockPath, `${process.pid} ${ours}`));
    this.#lockPath = lockPath;
    return true;
  }

  async close(): Promise<void> {
    if (this.#lockPath !== undefined) await fs.writeFile(this.#lockPath, "").catch(() => undefined);
    await this.#handle.close();
  }
}

/**
 * When a process was started, in clock ticks since the system was (proc(5)); undefined where it is gone, or has ended and
 * only its parent has not asked yet.
 */
async function startOf(pid: number): Promise<number | undefined> {
  const stat = await fs.readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The second field, in parentheses, is a name with anything in it.
  const [state, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return stat === "" || state === "Z" || state === "X" ? undefined : Number(rest[18]);
}

async function isRunning(pid: number, start: number | undefined): Promise<boolean> {
  if ((await startOf(process.pid)) !== undefined) {
    const now = await startOf(pid);
    return now !== undefined && (start === undefined || now === start);
  }
  // A system without /proc.
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export const nodeFiles: Files = {
  async read(path) {
    return named(path, fs.readFile(path));
  },
  async write(path, bytes, options = {}) {
    // One name: what a crash has left is overwritten the next time.
    const temporary = `${path}.tmp`;
    try {
      const handle = await named(path, fs.open(temporary, "w", options.mode ?? 0o666));
      try {
        await named(path, handle.writeFile(bytes));
        if (options.sync) await named(path, handle.datasync());
      } finally {
        await handle.close();
      }
      await named(path, fs.rename(temporary, path));
    } catch (error) {
      // On a full disk the part that was written would keep it full.
      await fs.unlink(temporary).catch(() => undefined);
      throw error;
    }
    if (options.sync) await syncFolder(dirname(path));
  },
  async open(path, mode) {
    const handle = await named(path, fs.open(path, flags[mode], 0o640));
    return new NodeOpenFile(path, handle, (await handle.stat()).size);
  },
  async exists(path) {
    return fs.access(path).then(
      () => true,
      () => false,
    );
  },
  async remove(path) {
    await named(path, fs.unlink(path));
  },
  async rename(from, to) {
    await named(from, fs.rename(from, to));
    await syncFolder(dirname(to));
  },
  async mkdir(path) {
    await named(path, fs.mkdir(path, { recursive: true }));
  },
  async list(path) {
    return (await named(path, fs.readdir(path))).sort();
  },
};

/** A rename is durable only when the folder is on the disk too. */
async function syncFolder(path: string): Promise<void> {
  const handle = await named(path, fs.open(path, constants.O_RDONLY));
  try {
    await named(path, handle.sync());
  } finally {
    await handle.close();
  }
}
