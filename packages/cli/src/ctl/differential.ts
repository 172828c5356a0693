/**
 * For tests: the same command lines to a program of the reference and to ours, each against a server of its own, and the
 * answers and databases compared. Uuids differ between the two, and so does the order of rows.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Connection, createServer, isObject, type Json, memoryDatabase, streamChannel } from "@weft/ovsdb";
import { type Host, nodeRuntime, type Program } from "@weft/runtime";

export const reference = process.env.OVN_REFERENCE ?? "/opt/ovn-reference/sid";

export interface Answer {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

const runtime = nodeRuntime();

/** A program that runs in this process. */
export interface Running {
  /** What it printed until now. */
  printed(): { readonly stdout: string; readonly stderr: string };
  /** Asks it to end, as a signal does. */
  stop(): void;
  readonly ended: Promise<Answer>;
}

export function startOurs(program: Program, args: readonly string[], env: Host["env"] = {}, input = ""): Running {
  let [stdout, stderr] = ["", ""];
  const text = (bytes: string | Uint8Array) => (typeof bytes === "string" ? bytes : new TextDecoder().decode(bytes));
  const end = new AbortController();
  const host: Host = {
    runtime,
    env: { ...process.env, ...env },
    cwd: process.cwd(),
    hostname: "test",
    pid: process.pid,
    stdin: (async function* () {
      if (input !== "") yield new TextEncoder().encode(input);
    })(),
    stdout: {
      write: (bytes) => {
        stdout += text(bytes);
      },
      isTerminal: false,
    },
    stderr: {
      write: (bytes) => {
        stderr += text(bytes);
      },
      isTerminal: false,
    },
    signal: end.signal,
  };
  return {
    printed: () => ({ stdout, stderr }),
    stop: () => end.abort(),
    ended: program(args, host).then((code) => ({ stdout, stderr, code })),
  };
}

/** A program run in this process, with what it printed. */
export function runOurs(program: Program, args: readonly string[], env: Host["env"] = {}, input = ""): Promise<Answer> {
  return startOurs(program, args, env, input).ended;
}

export function runReference(program: string, args: readonly string[]): Answer {
  const done = spawnSync(join(reference, "bin", program), args, { encoding: "utf8" });
  // A shell tells of a signal as 128 and its number.
  const code = done.status ?? (done.signal === "SIGALRM" ? 142 : 255);
  return { stdout: done.stdout, stderr: done.stderr, code };
}

export class Server {
  readonly dir: string;
  readonly remote: string;
  readonly #schema: string;
  readonly #database: string;
  #pid = 0;
  #close: (() => void) | undefined;

  /** `schema` is relative to the reference's share folder. */
  constructor(schema: string, database: string) {
    this.dir = mkdtempSync(join(tmpdir(), "weft-ctl-"));
    this.remote = `unix:${join(this.dir, "db.sock")}`;
    this.#schema = join(reference, "share", schema);
    this.#database = database;
  }

  /** `which` is whose ovsdb-server it is. Ours runs in this process: programs of the reference cannot be waited for with it. */
  async start(which: "reference" | "weft" = "reference"): Promise<this> {
    if (which === "weft") {
      const schema = JSON.parse(readFileSync(this.#schema, "utf8")) as Json;
      const server = await createServer({ runtime, databases: [memoryDatabase(runtime, schema)], remotes: [`p${this.remote}`] });
      this.#close = () => void server.close();
      return this;
    }
    const file = join(this.dir, "db");
    execFileSync(join(reference, "bin", "ovsdb-tool"), ["create", file, this.#schema]);
    const args = [`--remote=p${this.remote}`, `--unixctl=${join(this.dir, "ctl")}`, "-vconsole:off", file];
    this.#pid = spawn(join(reference, "bin", "ovsdb-server"), args, { stdio: "ignore" }).pid ?? 0;
    while (!existsSync(join(this.dir, "db.sock"))) await runtime.clock.sleep(10);
    // It listens a moment before it says which databases it has.
    const waiting = ["--timeout=60", "wait", this.remote, this.#database, "connected"];
    while (spawnSync(join(reference, "bin", "ovsdb-client"), waiting, { stdio: "ignore" }).status !== 0)
      await runtime.clock.sleep(10);
    return this;
  }

  stop(): void {
    if (this.#pid > 0) process.kill(this.#pid);
    this.#close?.();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Every row of every table, with uuids replaced by what they refer to: the same for databases that mean the same. */
  async contents(): Promise<Record<string, string[]>> {
    const channel = streamChannel(await runtime.net.connect(this.remote));
    const connection = new Connection(channel, runtime.clock, {}, 0);
    const schema = await connection.request("get_schema", [this.#database]);
    const tables = isObject(schema) && isObject(schema.tables) ? Object.keys(schema.tables) : [];
    const operations = tables.map((table) => ({ op: "select", table, where: [] }));
    const replies = (await connection.request("transact", [this.#database, ...operations])) as { rows: Record<string, Json>[] }[];
    connection.destroy();
    const rows = replies.flatMap(({ rows }, i) =>
      rows.map(({ _uuid, _version, ...columns }) => ({
        table: tables[i]!,
        uuid: String((_uuid as Json[])[1]),
        text: sorted(columns),
      })),
    );
    // A row is called by a digest of what it holds, references included as far as four steps away.
    let names = new Map<string, string>();
    const text = (row: (typeof rows)[number]) => orderSets(replaceUuids(row.text, (found) => names.get(found) ?? found));
    for (let round = 0; round < 4; round++) {
      names = new Map(
        rows.map((row) => [row.uuid, `${row.table}#${createHash("sha1").update(text(row)).digest("hex").slice(0, 12)}`]),
      );
    }
    const out: Record<string, string[]> = {};
    for (const table of tables) {
      const texts = rows
        .filter((row) => row.table === table)
        .map((row) => replaceUuids(row.text, (found) => names.get(found) ?? found));
      if (texts.length > 0) out[table] = texts.map(orderSets).sort();
    }
    return out;
  }
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

function replaceUuids(text: string, by: (uuid: string) => string): string {
  return text.replace(UUID, by);
}

function sorted(json: Json): string {
  if (Array.isArray(json)) return `[${json.map(sorted).join(",")}]`;
  if (isObject(json)) {
    const members = Object.entries(json).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${sorted(value ?? null)}`).join(",")}}`;
  }
  return JSON.stringify(json);
}

/** A set of references is in order of uuids, which means nothing here. */
function orderSets(text: string): string {
  return text.replace(/\["set",\[((?:\["uuid","[^"]*"\],?)+)\]\]/g, (all, inside: string) => {
    const parts = inside.split(/(?<=\]),/).sort();
    return all.replace(inside, parts.join(","));
  });
}

/** What may differ is made the same: uuids, dates, paths of programs and sockets. */
export function normalise({ stdout, stderr, code }: Answer, server: Server, unordered: boolean): Answer {
  const plain = (text: string) =>
    replaceUuids(text, () => "UUID")
      .replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\|/gm, "DATE|")
      .replace(/^\/\S*\/(ov[a-z-]+: )/gm, "$1")
      // Which of two rows that collide is the first is an accident.
      .replace(
        /First row, (.*?)\. {2}Second row, (.*?)\./g,
        (_, ...rows: string[]) => `Rows, ${rows.slice(0, 2).sort().join(" and ")}.`,
      )
      .replace(/>[0-9a-f]{8}<\/a>/g, ">UUID</a>")
      .replaceAll(server.dir, "DIR")
      // The reference's text ends where it meets a NUL.
      .replaceAll("\0", "");
  const lines = (text: string) => (unordered ? text.split("\n").sort().join("\n") : text);
  return { stdout: lines(plain(stdout)), stderr: plain(stderr), code };
}

/** Splits a line as a shell does: quotes and backslashes. */
export function words(line: string): string[] {
  const out: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let i = 0; i < line.length; i++) {
    const c = line[i]!;
    if (quote !== "") {
      if (c === quote) quote = "";
      else if (c === "\\" && quote === '"' && '"\\$'.includes(line[i + 1] ?? "")) word += line[++i]!;
      else word += c;
    } else if (c === "'" || c === '"') {
      quote = c;
      word ??= "";
    } else if (c === "\\") word = (word ?? "") + line[++i];
    else if (c === " ") {
      if (word !== undefined) out.push(word);
      word = undefined;
    } else word = (word ?? "") + c;
  }
  if (word !== undefined) out.push(word);
  return out;
}

export interface Difference {
  readonly line: string;
  readonly theirs: Answer;
  readonly ours: Answer;
}

/**
 * Runs every line with both, one after the other. A line that begins with "~" may answer in any order of lines. `%TABLE:CONDITION%`
 * stands for the uuid of the row that find shows.
 */
export async function compareLines(
  name: string,
  program: Program,
  lines: readonly string[],
  schema: string,
  database: string,
  common: readonly string[] = [],
  which: "reference" | "weft" = "reference",
): Promise<{
  readonly differences: Difference[];
  readonly theirs: Record<string, string[]>;
  readonly ours: Record<string, string[]>;
}> {
  const [left, right] = await Promise.all([new Server(schema, database).start(), new Server(schema, database).start(which)]);
  const differences: Difference[] = [];
  try {
    for (const text of lines) {
      const unordered = text.startsWith("~");
      const line = unordered ? text.slice(1) : text;
      const args = async (server: Server) => {
        const given = await Promise.all(words(line).map((word) => resolve(word, server, program)));
        // A line that names the SERVER itself needs no option to say where it is.
        if (line.includes("SERVER")) return given.map((word) => word.replace("SERVER", server.remote));
        return [`--db=${server.remote}`, ...common, ...given];
      };
      const theirs = normalise(runReference(name, await args(left)), left, unordered);
      const ours = normalise(await runOurs(program, await args(right)), right, unordered);
      if (theirs.stdout !== ours.stdout || theirs.stderr !== ours.stderr || theirs.code !== ours.code) {
        differences.push({ line: text, theirs, ours });
      }
    }
    return { differences, theirs: await left.contents(), ours: await right.contents() };
  } finally {
    left.stop();
    right.stop();
  }
}

/** `%TABLE:CONDITION%` within a word is the uuid of that row. */
async function resolve(word: string, server: Server, program: Program): Promise<string> {
  let resolved = word;
  for (const [text, table = "", condition = ""] of word.matchAll(/%(\w+):([^%]*)%/g)) {
    const { stdout } = await runOurs(program, [`--db=${server.remote}`, "--bare", "--columns=_uuid", "find", table, condition]);
    resolved = resolved.replace(text, stdout.trim());
  }
  return resolved;
}
