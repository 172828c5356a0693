/** Locks of fcntl(2) on whole files. They belong to the process: closing any descriptor of the file gives the lock up. */
import { closeSync, constants, fstatSync, openSync, renameSync, statSync, unlinkSync, writeSync } from "node:fs";
import { WeftError } from "../../errors.ts";
import type { FileLocks } from "../../world.ts";
import { describeErrno } from "../errno.ts";
import type { TakenLock } from "../lock.ts";
import { EAGAIN, type Libc, lastError, loadLibc } from "./libc.ts";

const EACCES = 13;
const F_GETLK = 5;
const F_SETLK = 6;
const F_WRLCK = 1;
const F_UNLCK = 2;

/** struct flock of 64-bit Linux for a write lock on all of a file: l_type at 0 (16 bits), l_pid at 24 (32 bits). */
function writeLock(): DataView<ArrayBuffer> {
  const flock = new DataView(new ArrayBuffer(32));
  flock.setInt16(0, F_WRLCK, true);
  return flock;
}

/** Throws a WeftError ("host.no-ffi") where the C library cannot be called. */
export async function linuxFileLocks(): Promise<FileLocks> {
  const libc = await loadLibc("files of this host cannot be locked");
  return {
    holder: async (path) => holder(libc, path),
    create: async (path, bytes) => create(libc, path, bytes),
  };
}

/** Files whose locks this process holds, by device and inode: it would give a lock up by opening and closing the file again. */
const held = new Set<string>();

const identity = (file: { readonly dev: number; readonly ino: number }): string => `${file.dev}:${file.ino}`;

/** Locks a file, which is made where it is missing. Throws a WeftError, "host.no-ffi" where the C library cannot be called. */
export async function linuxLock(path: string): Promise<TakenLock> {
  const libc = await loadLibc("files of this host cannot be locked");
  const there = statSync(path, { throwIfNoEntry: false });
  if (there !== undefined && held.has(identity(there))) return { locked: false, holder: process.pid };
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  } catch (error) {
    throw failed(path, error);
  }
  if (libc.fcntl(fd, F_SETLK, new Uint8Array(writeLock().buffer)) !== 0) {
    const error = lastError(libc);
    const taken = [EAGAIN, EACCES].includes(libc.errno());
    closeSync(fd);
    if (!taken) throw error;
    const other = holder(libc, path);
    return { locked: false, ...(other === undefined ? {} : { holder: other }) };
  }
  const file = identity(fstatSync(fd));
  held.add(file);
  return {
    locked: true,
    release: async () => {
      held.delete(file);
      closeSync(fd);
    },
  };
}

function holder(libc: Libc, path: string): number | undefined {
  let fd: number;
  try {
    fd = openSync(path, "r+");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw failed(path, error);
  }
  try {
    const flock = writeLock();
    if (libc.fcntl(fd, F_GETLK, new Uint8Array(flock.buffer)) !== 0) throw lastError(libc);
    return flock.getInt16(0, true) === F_UNLCK ? undefined : flock.getInt32(24, true);
  } finally {
    closeSync(fd);
  }
}

function create(libc: Libc, path: string, bytes: Uint8Array): void {
  // One that is whole and locked comes into the place of the other at once.
  const temporary = `${path}.tmp`;
  let fd: number;
  try {
    fd = openSync(temporary, "w", 0o666);
  } catch (error) {
    throw failed(temporary, error);
  }
  try {
    if (libc.fcntl(fd, F_SETLK, new Uint8Array(writeLock().buffer)) !== 0) throw lastError(libc);
    writeSync(fd, bytes);
    renameSync(temporary, path);
  } catch (error) {
    closeSync(fd);
    unlinkSync(temporary);
    throw error instanceof WeftError ? error : failed(path, error);
  }
}

function failed(path: string, error: unknown): WeftError {
  const { code = "unknown", message } = error as NodeJS.ErrnoException;
  return new WeftError(`files.${code}`, describeErrno(code) ?? message, {
    blame: "caller",
    place: { source: path },
    cause: error,
  });
}
