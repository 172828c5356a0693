/** What the commands of ovsdb-client(1) share: the conversation with the server, and requests on it. */
import {
  type ColumnModel,
  type Connection,
  columnModel,
  type DatabaseSchema,
  isObject,
  type Json,
  JsonError,
  parseJson,
  parseSchema,
  RpcError,
} from "@weft/ovsdb";
import { type ConfigurableLogBook, type Host, messageOf, WeftError } from "@weft/runtime";
import { sortedJson, type TableStyle } from "../table.ts";

/** A request failed; printed as `ovsdb-client: message`, exit code 1. */
export class ClientError extends WeftError {
  constructor(message: string) {
    super("ovsdb.client", message, { blame: "caller" });
  }
}

/** What a command of ovsdb-client is given. */
export interface ClientContext {
  readonly host: Host;
  readonly log: ConfigurableLogBook;
  /** The server as it was named. */
  readonly remote: string;
  readonly connection: Connection;
  /** Where the command needs one. */
  readonly database: string;
  readonly args: readonly string[];
  readonly style: TableStyle;
  has(option: string): boolean;
  print(text: string): Promise<void>;
  /** Called with every notification from then on. */
  onNotification(listener: (method: string, params: readonly Json[]) => void): void;
  /** Resolves when the server is gone, or the program is told to end. */
  readonly ended: Promise<void>;
}

export interface ClientCommand {
  readonly name: string;
  readonly usage: string;
  readonly help: string;
  /** Whether a database may be named before the arguments. */
  readonly database: boolean;
  /** Whether there is a server at all. */
  readonly min: number;
  readonly max: number;
  run(context: ClientContext): Promise<number>;
}

/** A request whose error ends the program in the words of the reference. */
export async function ask(context: ClientContext, method: string, params: readonly Json[], what: string = method): Promise<Json> {
  try {
    return await context.connection.request(method, params);
  } catch (error) {
    if (error instanceof RpcError) throw new ClientError(`${what} returned error: ${sortedJson(error.reply)}`);
    throw new ClientError(`${context.remote}: ${messageOf(error)}`);
  }
}

export async function schemaOf(context: ClientContext, database = context.database): Promise<DatabaseSchema> {
  return parseSchema(await ask(context, "get_schema", [database]));
}

/** The columns of a table, with the two that every table has, by name. */
export function columnsOf(schema: DatabaseSchema, table: string): Map<string, ColumnModel> | undefined {
  const json = schema.toJson();
  const tables = isObject(json) && isObject(json.tables) ? json.tables : {};
  const found = tables[table];
  if (!isObject(found) || !isObject(found.columns)) return undefined;
  const columns = new Map([
    ["_uuid", columnModel("_uuid", { type: "uuid" })],
    ["_version", columnModel("_version", { type: "uuid" })],
  ]);
  // A schema that was parsed has columns as ColumnJson describes them.
  for (const [name, column] of Object.entries(found.columns)) columns.set(name, columnModel(name, column as never));
  return columns;
}

export function parseArgument(text: string): Json {
  try {
    return parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const offset = error.place.offset ?? 0;
    const before = text.slice(0, offset).split("\n");
    const place = `line ${before.length - 1}, column ${before.at(-1)!.length}, byte ${new TextEncoder().encode(text.slice(0, offset)).length}`;
    throw new ClientError(`"${text}": ${place}: ${messageOf(error).replace(/ at offset \d+$/, "")}`);
  }
}
