/** A raw JSON-RPC client of an OVSDB server: cheap enough not to be what is measured. */
import { connect, type Socket } from "node:net";
import { Framer } from "@weft/ovsdb";

/** What a message counts for: 1, or the rows that it tells of. */
export type Count = (message: unknown) => number;

/** A message as the servers send it. */
interface Incoming {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: readonly unknown[];
  readonly result?: unknown;
  readonly error?: unknown;
}

export class Client {
  readonly #socket: Socket;
  readonly #calls = new Map<unknown, (reply: Incoming) => void>();
  #waiting: { count: number; resolve: () => void } | undefined;
  #next = 0;
  received = 0;
  /** Hears of notifications. */
  notified: (method: string, params: readonly unknown[]) => void = () => {};

  private constructor(socket: Socket, count: Count) {
    this.#socket = socket;
    const framer = new Framer();
    socket.on("data", (bytes) =>
      framer.push(bytes, (json) => {
        const message = json as Incoming; // the servers' own messages
        this.received += count(message);
        if (this.#waiting && this.received >= this.#waiting.count) this.#waiting.resolve();
        if (message.method === "echo") socket.write(JSON.stringify({ result: message.params, error: null, id: message.id }));
        else if (message.method !== undefined) this.notified(message.method, message.params ?? []);
        else if (this.#calls.size > 0) {
          this.#calls.get(message.id)?.(message);
          this.#calls.delete(message.id);
        }
      }),
    );
  }

  /** `remote`: a path, or unix:PATH. Tries for 20 s, for the server may be starting. */
  static async open(remote: string, count: Count = () => 1): Promise<Client> {
    const path = remote.replace(/^unix:/, "");
    for (let end = performance.now() + 20_000; ; ) {
      try {
        return await new Promise((resolve, reject) => {
          const socket = connect(path, () => resolve(new Client(socket, count)));
          socket.on("error", reject);
        });
      } catch (error) {
        if (performance.now() > end) throw error;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
  }

  /** One transaction on a connection of its own. */
  static async transact(remote: string, database: string, operations: readonly object[]): Promise<void> {
    const client = await Client.open(remote);
    await client.call("transact", [database, ...operations]);
    client.close();
  }

  send(method: string, params: unknown, id: number): void {
    this.#socket.write(JSON.stringify({ method, params, id }));
  }

  /** Sends a request and resolves to its result; rejects for an error, also one of an operation. */
  call(method: string, params: unknown): Promise<unknown> {
    const id = `call ${this.#next++}`;
    this.#socket.write(JSON.stringify({ method, params, id }));
    return new Promise((resolve, reject) => {
      this.#calls.set(id, ({ result, error }) => {
        const fault = error ?? (Array.isArray(result) ? result.find((one) => one?.error != null) : undefined);
        if (fault == null) resolve(result);
        else reject(new Error(`${method}: ${JSON.stringify(fault)}`));
      });
    });
  }

  /** Resolves when as much has been counted in all. */
  async until(count: number): Promise<void> {
    if (this.received >= count) return;
    await new Promise<void>((resolve) => {
      this.#waiting = { count, resolve };
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Changes of the northbound database, and how long it takes until northd has brought each into the southbound one. */
export class Northbound {
  readonly #client: Client;
  #sent: number;
  /** How far northd has come, and all chassis. */
  readonly #done = { sb_cfg: 0, hv_cfg: 0 };
  #wake = (): void => {};

  private constructor(client: Client, nbCfg: number) {
    this.#client = client;
    this.#sent = nbCfg;
    client.notified = (_method, params) => {
      for (const { new: row } of Object.values(globals(params[1]))) Object.assign(this.#done, row);
      this.#wake();
    };
  }

  static async open(remote: string): Promise<Northbound> {
    const client = await Client.open(remote);
    const first = await client.call("monitor", [
      "OVN_Northbound",
      "cfg",
      { NB_Global: [{ columns: ["nb_cfg", "sb_cfg", "hv_cfg"] }] },
    ]);
    return new Northbound(client, Object.values(globals(first))[0]?.new?.nb_cfg ?? 0);
  }

  /** From the transaction until sb_cfg tells that northd has done it; ms. */
  change(operations: readonly object[]): Promise<number> {
    return this.#until("sb_cfg", operations);
  }

  /** From the transaction until hv_cfg tells that all chassis have it; ms. */
  chassis(operations: readonly object[]): Promise<number> {
    return this.#until("hv_cfg", operations);
  }

  async #until(column: "sb_cfg" | "hv_cfg", operations: readonly object[]): Promise<number> {
    const wanted = ++this.#sent;
    const start = performance.now();
    const count = { op: "mutate", table: "NB_Global", where: [], mutations: [["nb_cfg", "+=", 1]] };
    await this.#client.call("transact", ["OVN_Northbound", ...operations, count]);
    while (this.#done[column] < wanted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return performance.now() - start;
  }

  close(): void {
    this.#client.close();
  }
}

type Globals = {
  readonly [uuid: string]: { readonly new?: { readonly nb_cfg: number; readonly sb_cfg: number; readonly hv_cfg: number } };
};

/** The NB_Global part of an update. */
function globals(updates: unknown): Globals {
  return (updates as { readonly NB_Global?: Globals }).NB_Global ?? {}; // RFC 7047 section 4.1.6
}
