/** For tests: the reference's programs, and servers in folders of their own. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeRuntime } from "@weft/runtime";
import { streamChannel } from "../jsonrpc/channel.ts";
import { Connection } from "../jsonrpc/connection.ts";
import type { Json } from "../jsonrpc/json.ts";
import type { Reply } from "../jsonrpc/message.ts";

export const REFERENCE = process.env.OVN_REFERENCE ?? "/opt/ovn-reference/sid";

/** A folder that is removed by `remove`. */
export function scratch(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "weft-ovsdb-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Runs a program of the reference to its end: what it printed and its exit code. */
export function reference(
  program: string,
  args: readonly string[],
): Promise<{ readonly out: string; readonly err: string; readonly code: number }> {
  return new Promise((resolve) => {
    execFile(join(REFERENCE, "bin", program), args, { timeout: 20_000 }, (error, out, err) => {
      resolve({ out, err, code: error === null ? 0 : typeof error.code === "number" ? error.code : -1 });
    });
  });
}

/** Starts the reference's ovsdb-server with databases that exist; resolves when it listens at `socket`. */
export async function referenceServer(
  folder: string,
  databases: readonly string[],
): Promise<{ readonly socket: string; stop(): Promise<void> }> {
  const socket = join(folder, "reference.sock");
  const child: ChildProcess = spawn(
    join(REFERENCE, "bin", "ovsdb-server"),
    [`--remote=punix:${socket}`, `--unixctl=${join(folder, "reference.ctl")}`, "--no-chdir", "-vconsole:off", ...databases],
    { stdio: "ignore", env: { ...process.env, OVS_RUNDIR: folder } },
  );
  const gone = new Promise<void>((resolve) => child.on("exit", () => resolve()));
  for (let i = 0; i < 200 && !existsSync(socket); i++) await new Promise((resolve) => setTimeout(resolve, 25));
  return {
    socket,
    async stop() {
      child.kill();
      await gone;
    },
  };
}

/** A client of some server: requests, and the notifications heard since last asked. */
export class Peer {
  readonly #connection: Connection;
  #heard: Json[];

  constructor(connection: Connection, heard: Json[]) {
    this.#connection = connection;
    this.#heard = heard;
  }

  static async connect(socket: string): Promise<Peer> {
    const { net, clock } = nodeRuntime();
    const stream = await net.connect(`unix:${socket}`);
    const heard: Json[] = [];
    const connection = new Connection(
      streamChannel(stream),
      clock,
      { onNotification: ({ method, params }) => heard.push([method, ...params]) },
      0,
    );
    return new Peer(connection, heard);
  }

  ask(method: string, params: readonly Json[]): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#connection.call(method, params, (reply, error) => {
        if (reply === undefined) reject(error);
        else resolve(reply);
      });
    });
  }

  heard(): Json[] {
    return this.#heard.splice(0);
  }

  close(): void {
    this.#connection.destroy();
  }
}
