import { constants, promises as fs, writeSync } from "node:fs";
import { dirname } from "node:path";
import { WeftError } from "../errors.ts";
import type { Files, LockOutcome, OpenFile } from "../world.ts";
import { describeErrno } from "./errno.ts";
import { takeLock } from "./lock.ts";

/** Wraps Node's file errors: code "files.ENOENT" and so on, the path as place. */
async function named<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof WeftError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? "unknown";
    throw new WeftError(`files.${code}`, `${path}: ${describeErrno(code) ?? (error as Error).message}`, {
      blame: "caller",
      place: { source: path },
      cause: error,
    });
  }
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
  /** Gives the lock up. */
  #lock: (() => Promise<void>) | undefined;

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

  async lock(): Promise<LockOutcome> {
    if (this.#lock !== undefined) return { locked: true };
    const { release, ...outcome } = await named(this.#path, takeLock(this.#path));
    this.#lock = release;
    return outcome;
  }

  async close(): Promise<void> {
    await this.#handle.close();
    await this.#lock?.();
    this.#lock = undefined;
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
