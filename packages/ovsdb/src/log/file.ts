/** Databases in files: opening, appending with group commit, compacting. */
import { type Clock, type Files, type Logger, messageOf, type OpenFile, type Random, WeftError } from "@weft/runtime";
import { Database } from "../engine/database.ts";
import type { RowDelta } from "../engine/table.ts";
import { OvsdbError } from "../error.ts";
import { stringifyJson } from "../jsonrpc/json.ts";
import { type DatabaseSchema, parseSchema } from "../model.ts";
import { encodeRecord, readFirst, scanLog } from "./format.ts";
import { PiecesError } from "./pieces.ts";
import { applyPiece, applyRecord, snapshotRecord, transactionRecord } from "./transactions.ts";

/** What a log writes to; {@link LogFile} is the one on files. */
export interface CommitLog {
  /** Queues a commit. `done` is called when it is written (and on the disk where `durable`), or cannot be. */
  append(deltas: readonly RowDelta[], comment: string, durable: boolean, done: (fault: OvsdbError | undefined) => void): void;
  /** Whether something is queued or on its way. */
  readonly busy: boolean;
}

/** Smallest log that is compacted by itself, in bytes. */
const COMPACT_SIZE = 10 * 1024 * 1024;
const COMPACT_COMMITS = 100;
const COMPACT_EVERY = 10 * 60 * 1000;
const COMPACT_LATEST = 24 * 60 * 60 * 1000;

const encoder = new TextEncoder();

interface Waiting {
  /** Absent where nothing is to be written. */
  readonly record: Uint8Array | undefined;
  readonly durable: boolean;
  readonly done: (fault: OvsdbError | undefined) => void;
}

export class LogFile implements CommitLog {
  readonly path: string;
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #log: Logger | undefined;
  #file: OpenFile;
  readonly #lock: OpenFile;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  /** A rewrite waits or is in progress: nothing else starts. */
  #held = false;
  /** Bytes of whole records. */
  #size: number;
  #sizeCompacted: number;
  #commits = 0;
  #compacted: number;
  #closed = false;
  #fault: OvsdbError | undefined;

  constructor(path: string, file: OpenFile, lock: OpenFile, size: number, world: FileWorld) {
    this.path = path;
    this.#file = file;
    this.#lock = lock;
    this.#size = size;
    this.#sizeCompacted = size;
    this.#files = world.files;
    this.#clock = world.clock;
    this.#log = world.logger;
    this.#compacted = world.clock.now();
  }

  get busy(): boolean {
    return this.#running !== undefined || this.#waiting.length > 0;
  }

  /** Bytes of the log, those on their way not included. */
  get size(): number {
    return this.#size;
  }

  append(deltas: readonly RowDelta[], comment: string, durable: boolean, done: Waiting["done"]): void {
    this.#waiting.push({ record: transactionRecord(deltas, this.#clock.wall(), comment), durable, done });
    this.#start();
  }

  #start(): void {
    if (this.#held) return;
    this.#running ??= new Promise<void>((resolve) => {
      // Everything that this turn commits goes into one write.
      this.#clock.soon(() => {
        void this.#run().then(() => {
          this.#running = undefined;
          resolve();
          if (this.#waiting.length > 0) this.#start();
        });
      });
    });
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#held) {
      const batch = this.#waiting;
      this.#waiting = [];
      const fault = this.#fault ?? (await this.#write(batch));
      for (const { done } of batch) done(fault);
    }
  }

  async #write(batch: readonly Waiting[]): Promise<OvsdbError | undefined> {
    const bytes = Buffer.concat(batch.flatMap(({ record }) => record ?? []));
    try {
      if (this.#closed) throw new WeftError("ovsdb.log-closed", "the log is closed");
      if (bytes.length > 0) await this.#file.append(bytes);
      if (batch.some(({ durable }) => durable)) await this.#file.sync();
    } catch (error) {
      const fault = ioError(`${this.path}: write failed`, reasonOf(error, this.path));
      this.#log?.err(fault.message);
      try {
        await this.#file.truncate(this.#size);
      } catch (second) {
        // What is behind the last good record is unknown: nothing may follow it.
        this.#fault = fault;
        this.#log?.err(`${this.path}: truncate failed (${messageOf(second)}), no more transactions are accepted`);
      }
      return fault;
    }
    this.#size += bytes.length;
    this.#commits += batch.length;
    return undefined;
  }

  /** Whether the log has grown so much, or is so old, that it should be compacted (ovsdb-server(1) ovsdb-server/compact). */
  get wantsCompaction(): boolean {
    if (this.#commits < COMPACT_COMMITS) return false;
    const age = this.#clock.now() - this.#compacted;
    if (age >= COMPACT_LATEST) return true;
    return this.#size >= COMPACT_SIZE && this.#size > 2 * this.#sizeCompacted && age >= COMPACT_EVERY;
  }

  /** Replaces the log by one with only what is there now. Commits that come meanwhile wait and follow it. */
  async compact(database: () => Database, comment: string): Promise<void> {
    await this.rewrite(() => databaseBytes(database(), this.#clock.wall(), comment));
  }

  /**
   * Replaces the file as a whole: all or nothing. `make` is called when no write is on its way; it gives a state that has
   * every commit appended so far. Throws OvsdbError.
   */
  async rewrite(make: () => Uint8Array): Promise<void> {
    while (this.#held) await this.#running;
    this.#held = true;
    if (this.#running !== undefined) await this.#running;
    // What waits is part of the new file, and only has to be answered.
    const covered = this.#waiting;
    this.#waiting = [];
    try {
      this.#running = this.#replace(make());
      await this.#running;
      for (const { done } of covered) done(undefined);
    } catch (error) {
      this.#waiting = [...covered, ...this.#waiting];
      throw error;
    } finally {
      this.#running = undefined;
      this.#held = false;
      if (this.#waiting.length > 0) this.#start();
    }
  }

  async #replace(bytes: Uint8Array): Promise<void> {
    try {
      await this.#files.write(this.path, bytes, { sync: true, mode: 0o640 });
      const old = this.#file;
      this.#file = await this.#files.open(this.path, "append");
      await old.close();
    } catch (error) {
      // The new file is written beside the old one.
      throw ioError(`${this.path}.tmp: write failed`, reasonOf(error, this.path));
    }
    this.#size = bytes.length;
    this.#sizeCompacted = bytes.length;
    this.#commits = 0;
    this.#compacted = this.#clock.now();
  }

  /** Writes what is queued, then closes. */
  async close(): Promise<void> {
    while (this.#running !== undefined || this.#waiting.length > 0) {
      this.#start();
      await this.#running;
    }
    this.#closed = true;
    await this.#file.close();
    await this.#lock.close();
  }
}

export interface FileWorld {
  readonly files: Files;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger | undefined;
}

/** The whole file of a database: its schema and one record with all rows. */
export function databaseBytes(database: Database, wall: number, comment: string): Uint8Array {
  const schema = encodeRecord(stringifyJson(database.schema.toJson()));
  const rows = snapshotRecord(database, wall, comment);
  return rows === undefined ? schema : Buffer.concat([schema, rows]);
}

async function readBytes(files: Files, path: string): Promise<Uint8Array> {
  try {
    return await files.read(path);
  } catch (error) {
    throw new OvsdbError("I/O error", `${path}: open failed (${reasonOf(error, path)})`);
  }
}

function ioError(what: string, why: string): OvsdbError {
  return new OvsdbError("I/O error", what, undefined, undefined, why);
}

function reasonOf(error: unknown, path: string): string {
  const message = messageOf(error);
  return message.startsWith(`${path}: `) ? message.slice(path.length + 2) : message;
}

/** Bytes of a record whose rows are looked for before they are taken over. */
const PIECE_SIZE = 64 * 1024;

interface Loaded {
  /** Undefined where not even the schema is whole. Not settled. */
  readonly database: Database | undefined;
  readonly goodSize: number;
  readonly fault: OvsdbError | undefined;
}

function loadDatabase(bytes: Uint8Array, path: string, random: Random, pieceSize = PIECE_SIZE): Loaded {
  let database: Database | undefined;
  try {
    const { goodSize, fault } = scanLog(
      bytes,
      path,
      {
        record: (record) => {
          if (database === undefined) database = new Database(parseSchema(record), random);
          else applyRecord(database, record);
        },
        piece: (piece) => applyPiece(database!, piece), // the schema comes as a whole, and first
      },
      pieceSize,
    );
    return { database, goodSize, fault };
  } catch (error) {
    if (!(error instanceof PiecesError)) throw error;
    // What the record began with is in the database: it is read anew, with nothing of a record before it is known whole.
    return loadDatabase(bytes, path, random, Infinity);
  }
}

/** A database read from its file, not opened for writing. Throws OvsdbError, also for a torn tail where `strict`. */
export async function readDatabase(
  world: FileWorld,
  path: string,
  strict: boolean,
): Promise<{ readonly database: Database; readonly goodSize: number; readonly bytes: Uint8Array }> {
  const bytes = await readBytes(world.files, path);
  const { database, goodSize, fault } = loadDatabase(bytes, path, world.random);
  if (fault !== undefined) {
    if (strict || database === undefined) throw fault;
    world.logger?.err(fault.message);
  }
  if (database === undefined) throw new OvsdbError("ovsdb error", `${path}: no schema`);
  database.settle();
  return { database, goodSize, bytes };
}

/** The schema of a database file. Throws OvsdbError. */
export async function readSchemaOfFile(files: Files, path: string): Promise<DatabaseSchema> {
  return parseSchema(readFirst(await readBytes(files, path), path));
}

const LATER_RECORD = encoder.encode("\nOVSDB JSON ");

/**
 * Opens a database file for reading and writing, and locks it. A record cut short by a crash is cut off; if there are
 * more records behind a damaged one, what is cut off is kept beside the file as FILE.damaged. Throws OvsdbError.
 */
export async function openDatabase(
  world: FileWorld,
  path: string,
): Promise<{ readonly database: Database; readonly log: LogFile }> {
  const { files } = world;
  if (!(await files.exists(path))) await readBytes(files, path);
  const lock = await lockFile(world, path);
  try {
    const { database, goodSize, bytes } = await readDatabase(world, path, false);
    const file = await files.open(path, "append");
    if (goodSize < bytes.length) {
      const tail = bytes.subarray(goodSize);
      if (contains(tail, LATER_RECORD)) {
        await files.write(`${path}.damaged`, tail, { sync: true });
        world.logger?.warn(`${path}: the ${tail.length} bytes behind the damage are kept in ${path}.damaged`);
      }
      await file.truncate(goodSize);
    }
    return { database, log: new LogFile(path, file, lock, goodSize, world) };
  } catch (error) {
    await lock.close();
    throw error;
  }
}

/** The file, open and locked. Throws OvsdbError. */
async function lockFile({ files, logger }: FileWorld, path: string): Promise<OpenFile> {
  const file = await files.open(path, "read-write");
  const refused = (why: string) => new OvsdbError("I/O error", `${path}: failed to lock lockfile (${why})`);
  try {
    const { locked, holder, caveat } = await file.lock();
    if (caveat !== undefined) logger?.warn(`${path}: ${caveat}`);
    if (locked) return file;
    if (holder !== undefined) logger?.warn(`${path}: cannot lock file because it is already locked by pid ${holder}`);
    throw refused("Resource temporarily unavailable");
  } catch (error) {
    await file.close();
    throw error instanceof OvsdbError ? error : refused(reasonOf(error, path));
  }
}

function contains(bytes: Uint8Array, part: Uint8Array): boolean {
  for (let at = bytes.indexOf(part[0]!); at >= 0; at = bytes.indexOf(part[0]!, at + 1)) {
    if (part.every((byte, i) => bytes[at + i] === byte)) return true;
  }
  return false;
}

/** Creates the file of an empty database; it must not exist. Throws OvsdbError. */
export async function createDatabaseFile(files: Files, path: string, schema: DatabaseSchema): Promise<void> {
  await createFile(files, path, encodeRecord(stringifyJson(schema.toJson())));
}

/** Creates a file that must not exist. Throws OvsdbError. */
export async function createFile(files: Files, path: string, bytes: Uint8Array): Promise<void> {
  if (await files.exists(path)) throw new OvsdbError("I/O error", `${path}: create failed (File exists)`);
  try {
    const file = await files.open(path, "create");
    await file.append(bytes);
    await file.sync();
    await file.close();
  } catch (error) {
    throw new OvsdbError("I/O error", `${path}: create failed (${reasonOf(error, path)})`);
  }
}
