/** ovsdb-tool(1). Clustered databases are refused. */
import {
  canonicalJson,
  convertDatabase,
  createDatabaseFile,
  type Database,
  type DatabaseSchema,
  databaseBytes,
  execute,
  type FileWorld,
  type Json,
  JsonError,
  magicOf,
  OvsdbError,
  openDatabase,
  parseJson,
  parseSchema,
  readDatabase,
  readSchemaOfFile,
  TRUSTED,
} from "@weft/ovsdb";
import { type Host, messageOf, type Program, WeftError } from "@weft/runtime";
import { directoriesOf, inFolder } from "../directories.ts";
import { type GivenOption, loggingOptions, type OptionRow, parseOptions } from "../options.ts";
import { ovsVersion, versionText } from "../version.ts";
import { showLog } from "./showLog.ts";

const OPTIONS: readonly OptionRow[] = [
  ...loggingOptions,
  { name: "more", short: "m" },
  { name: "rbac-role", argument: "required" },
  { name: "cid", argument: "required" },
  { name: "election-timer", argument: "required" },
  { name: "help", short: "h" },
  { name: "version", short: "V" },
];

interface Context {
  readonly host: Host;
  readonly world: FileWorld;
  readonly given: readonly GivenOption[];
  /** Paths, and how they were typed. */
  readonly typed: Map<string, string>;
  readonly defaultDatabase: string;
  readonly defaultSchema: string;
  print(text: string): Promise<void>;
}

interface ToolCommand {
  readonly name: string;
  readonly usage: string;
  readonly minArgs: number;
  readonly maxArgs: number;
  run(context: Context, args: readonly string[]): Promise<number>;
}

/** A file name from the command line. Messages show it as it was typed. */
function file(context: Context, name: string | undefined, otherwise: string): string {
  if (name === undefined) return otherwise;
  const path = inFolder(context.host.cwd, name);
  context.typed.set(path, name);
  return path;
}

/** Where a JSON text is wrong, as the reference tells it. */
function jsonFault(error: JsonError, text: string): string {
  const offset = error.place.offset ?? 0;
  const before = text.slice(0, offset).split("\n");
  const what = error.message.replace(/ at offset \d+$/, "");
  return `line ${before.length - 1}, column ${before.at(-1)!.length}, byte ${new TextEncoder().encode(text.slice(0, offset)).length}: ${what}`;
}

function databaseFile(context: Context, name: string | undefined): string {
  return file(context, name, context.defaultDatabase);
}

class ToolError extends WeftError {
  constructor(message: string) {
    super("ovsdb.tool", message, { blame: "caller" });
  }
}

async function readSchema(context: Context, path: string): Promise<DatabaseSchema> {
  let json: Json;
  let text = "";
  try {
    text = new TextDecoder().decode(await context.world.files.read(path));
    json = parseJson(text);
  } catch (error) {
    const why =
      error instanceof JsonError
        ? jsonFault(error, text)
        : `error opening "${path}": ${messageOf(error).replace(`${path}: `, "")}`;
    throw new ToolError(`failed to read schema: "${path}" could not be read as JSON (${why})`);
  }
  try {
    return parseSchema(json);
  } catch (error) {
    if (!(error instanceof OvsdbError)) throw error;
    throw new OvsdbError(error.error, `failed to parse "${path}" as ovsdb schema: ${error.details}`, error.syntax);
  }
}

async function magicOfFile(context: Context, path: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await context.world.files.read(path);
  } catch (error) {
    throw new OvsdbError("I/O error", `${path}: open failed (${messageOf(error).replace(`${path}: `, "")})`);
  }
  const magic = magicOf(bytes);
  if (magic === undefined) {
    throw new OvsdbError(
      "ovsdb error",
      `${path}: ${bytes.length === 0 ? "cannot identify file type" : "unexpected file format"}`,
    );
  }
  return magic;
}

function lined(text: string): string {
  return `${text}\n`;
}

/** Replaces a database's file by another state of it, or writes that to a new file. */
async function rewrite(
  context: Context,
  path: string,
  target: string | undefined,
  make: (old: Database) => Database,
  comment: string,
): Promise<void> {
  const wall = context.world.clock.wall();
  if (target !== undefined) {
    const { database } = await readDatabase(context.world, path, true);
    const to = file(context, target, target);
    await context.world.files.write(to, databaseBytes(make(database), wall, comment), { sync: true, mode: 0o640 });
    return;
  }
  await readDatabase(context.world, path, true);
  const { database, log } = await openDatabase(context.world, path);
  try {
    const made = make(database);
    await log.rewrite(() => databaseBytes(made, wall, comment));
  } finally {
    await log.close();
  }
}

/** Runs a transaction given as the parameters of "transact": its reply. */
async function runTransaction(context: Context, args: readonly string[], writing: boolean): Promise<number> {
  const path = args.length === 2 ? file(context, args[0], context.defaultDatabase) : context.defaultDatabase;
  const text = args.at(-1)!;
  if (context.given.some(({ name }) => name === "rbac-role")) throw new ToolError("--rbac-role is not supported");
  let json: Json;
  try {
    json = parseJson(text);
  } catch (error) {
    throw new ToolError(`${JSON.stringify(text)}: ${error instanceof JsonError ? jsonFault(error, text) : messageOf(error)}`);
  }
  const reply = (result: Json): Promise<void> => context.print(lined(canonicalJson(result)));
  const { database, log } = writing
    ? await openDatabase(context.world, path)
    : { database: (await readDatabase(context.world, path, true)).database, log: undefined };
  try {
    if (!Array.isArray(json)) {
      await reply(new OvsdbError("syntax error", "array expected", json).toJson());
      return 0;
    }
    const [name, ...operations] = json as readonly Json[]; // Array.isArray has said so
    if (name !== database.name) {
      await reply(new OvsdbError("syntax error", "database name expected as first parameter", json).toJson());
      return 0;
    }
    const outcome = execute(database, operations, TRUSTED, 0);
    if (!outcome.done) {
      // Nobody else is there who could make the condition of a wait come true.
      await reply([new OvsdbError("not supported", "triggers not supported").toJson()]);
      return 0;
    }
    const { commit } = outcome;
    if (log !== undefined && commit !== undefined && commit.deltas.length > 0) {
      await new Promise<void>((resolve, reject) => {
        log.append(commit.deltas, commit.comments.join("\n"), true, (fault) => (fault === undefined ? resolve() : reject(fault)));
      });
    }
    await reply(outcome.results);
    return 0;
  } finally {
    await log?.close();
  }
}

const clustered = (name: string, usage: string, minArgs: number, maxArgs: number): ToolCommand => ({
  name,
  usage,
  minArgs,
  maxArgs,
  run: async () => {
    throw new ToolError(`${name}: clustered databases are not supported`);
  },
});

/** A command that needs a clustered database, on what is a standalone one. */
const ofCluster = (name: string): ToolCommand => ({
  name,
  usage: "DB",
  minArgs: 1,
  maxArgs: 1,
  run: async (context, [path]) => {
    const name = databaseFile(context, path);
    const magic = await magicOfFile(context, name);
    throw new ToolError(
      magic === "CLUSTER" ? `${name}: clustered databases are not supported` : `${name}: not a clustered database`,
    );
  },
});

const aboutDatabase = (name: string, tell: (schema: DatabaseSchema) => string): ToolCommand => ({
  name,
  usage: "[DB]",
  minArgs: 0,
  maxArgs: 1,
  run: async (context, [path]) => {
    await context.print(lined(tell(await readSchemaOfFile(context.world.files, databaseFile(context, path)))));
    return 0;
  },
});

const aboutSchema = (name: string, tell: (schema: DatabaseSchema) => string): ToolCommand => ({
  name,
  usage: "[SCHEMA]",
  minArgs: 0,
  maxArgs: 1,
  run: async (context, [path]) => {
    await context.print(lined(tell(await readSchema(context, file(context, path, context.defaultSchema)))));
    return 0;
  },
});

const testMagic = (name: string, magic: string): ToolCommand => ({
  name,
  usage: "DB",
  minArgs: 1,
  maxArgs: 1,
  run: async (context, [path]) => ((await magicOfFile(context, databaseFile(context, path))) === magic ? 0 : 2),
});

function compareVersions(a: string, operator: string, b: string): boolean {
  const parse = (text: string): readonly number[] => {
    if (!/^[0-9]+\.[0-9]+\.[0-9]+$/.test(text)) throw new ToolError(`${text}: not an OVSDB version number in format x.y.z`);
    return text.split(".").map(Number);
  };
  const left = parse(a);
  const right = parse(b);
  const at = left.findIndex((part, i) => part !== right[i]);
  const order = at < 0 ? 0 : left[at]! - right[at]!;
  switch (operator) {
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case "==":
      return order === 0;
    case ">=":
      return order >= 0;
    case ">":
      return order > 0;
    case "!=":
      return order !== 0;
    default:
      throw new ToolError(`${operator}: not a relational operator`);
  }
}

const COMMANDS: readonly ToolCommand[] = [
  {
    name: "create",
    usage: "[DB [SCHEMA]]",
    minArgs: 0,
    maxArgs: 2,
    run: async (context, [path, schema]) => {
      const parsed = await readSchema(context, file(context, schema, context.defaultSchema));
      await createDatabaseFile(context.world.files, databaseFile(context, path), parsed);
      return 0;
    },
  },
  clustered("create-cluster", "DB CONTENTS LOCAL", 3, 3),
  clustered("join-cluster", "DB NAME LOCAL REMOTE...", 4, Number.MAX_SAFE_INTEGER),
  {
    name: "compact",
    usage: "[DB [DST]]",
    minArgs: 0,
    maxArgs: 2,
    run: async (context, [path, target]) => {
      await rewrite(context, databaseFile(context, path), target, (old) => old, `compacted by ovsdb-tool ${ovsVersion}`);
      return 0;
    },
  },
  {
    name: "convert",
    usage: "[DB [SCHEMA [DST]]]",
    minArgs: 0,
    maxArgs: 3,
    run: async (context, [path, schema, target]) => {
      const parsed = await readSchema(context, file(context, schema, context.defaultSchema));
      const comment = `converted by ovsdb-tool ${ovsVersion}`;
      await rewrite(context, databaseFile(context, path), target, (old) => convertDatabase(old, parsed), comment);
      return 0;
    },
  },
  {
    name: "needs-conversion",
    usage: "[DB [SCHEMA]]",
    minArgs: 0,
    maxArgs: 2,
    run: async (context, [path, schema]) => {
      const is = await readSchemaOfFile(context.world.files, databaseFile(context, path));
      const should = await readSchema(context, file(context, schema, context.defaultSchema));
      await context.print(canonicalJson(is.toJson()) === canonicalJson(should.toJson()) ? "no\n" : "yes\n");
      return 0;
    },
  },
  aboutDatabase("db-name", ({ name }) => name),
  aboutDatabase("db-version", ({ version }) => version),
  aboutDatabase("db-cksum", ({ cksum }) => cksum),
  ofCluster("db-cid"),
  ofCluster("db-sid"),
  ofCluster("db-local-address"),
  testMagic("db-is-clustered", "CLUSTER"),
  testMagic("db-is-standalone", "JSON"),
  aboutSchema("schema-name", ({ name }) => name),
  aboutSchema("schema-version", ({ version }) => version),
  aboutSchema("schema-cksum", ({ cksum }) => cksum),
  {
    name: "compare-versions",
    usage: "A OP B",
    minArgs: 3,
    maxArgs: 3,
    run: async (_context, [a = "", operator = "", b = ""]) => (compareVersions(a, operator, b) ? 0 : 2),
  },
  { name: "query", usage: "[DB] TRNS", minArgs: 1, maxArgs: 2, run: (context, args) => runTransaction(context, args, false) },
  { name: "transact", usage: "[DB] TRNS", minArgs: 1, maxArgs: 2, run: (context, args) => runTransaction(context, args, true) },
  clustered("cluster-to-standalone", "DB DB", 2, 2),
  clustered("check-cluster", "DB...", 1, Number.MAX_SAFE_INTEGER),
  {
    name: "show-log",
    usage: "[DB]",
    minArgs: 0,
    maxArgs: 1,
    run: async (context, [path]) => {
      const more = context.given.filter(({ name }) => name === "more").length;
      const fault = await showLog(context.world.files, databaseFile(context, path), more, (text) => context.print(text));
      if (fault === undefined) return 0;
      throw fault;
    },
  },
];

function help(context: Context): string {
  const rows = COMMANDS.map(({ name, usage }) => `  ${name} ${usage}\n`).join("");
  return `ovsdb-tool: OVSDB database management utility
usage: ovsdb-tool [OPTIONS] COMMAND [ARG...]
${rows}The default DB is ${context.defaultDatabase}.
The default SCHEMA is ${context.defaultSchema}.

Options:
  -m, --more                  increase show-log verbosity
  -h, --help                  display this help message
  -V, --version               display version information
`;
}

export const ovsdbTool: Program = async (args, host) => {
  const say = async (text: string): Promise<number> => {
    await host.stderr.write(`ovsdb-tool: ${text}\n`);
    return 1;
  };
  const { files, clock, random } = host.runtime;
  const directories = directoriesOf(host.env, "ovs");
  const typed = new Map<string, string>();
  const asTyped = (text: string): string => {
    let shown = text;
    for (const [path, name] of typed) shown = shown.replaceAll(path, name);
    return shown;
  };
  try {
    const { options: given, rest } = parseOptions(args, OPTIONS, { stopAtFirst: true });
    const context: Context = {
      host,
      given,
      typed,
      world: { files, clock, random },
      defaultDatabase: inFolder(directories.database, "conf.db"),
      defaultSchema: inFolder(directories.pkgdata, "vswitch.ovsschema"),
      print: async (text) => {
        await host.stdout.write(text);
      },
    };
    if (given.some(({ name }) => name === "version")) {
      await host.stdout.write(versionText("ovsdb-tool", "ovs"));
      return 0;
    }
    const [name, ...operands] = rest;
    if (given.some(({ name: option }) => option === "help") || name === "help") {
      await host.stdout.write(help(context));
      return 0;
    }
    if (name === undefined) return await say("missing command name; use --help for help");
    const command = COMMANDS.find((candidate) => candidate.name === name);
    if (command === undefined) return await say(`unknown command '${name}'; use --help for help`);
    if (operands.length < command.minArgs) return await say(`'${name}' command requires at least ${command.minArgs} arguments`);
    if (operands.length > command.maxArgs) return await say(`'${name}' command takes at most ${command.maxArgs} arguments`);
    return await command.run(context, operands);
  } catch (error) {
    if (error instanceof OvsdbError) return say(asTyped(error.line));
    if (error instanceof WeftError && error.blame !== "us") return say(asTyped(error.message));
    throw error;
  }
};
