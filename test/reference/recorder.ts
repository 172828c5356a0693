/** A unix socket between an OpenFlow client and a switch that keeps what is said, message by message. */
import { rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";

export interface Said {
  readonly from: "client" | "switch";
  readonly bytes: Uint8Array;
}

export class Recorder {
  #said: Said[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: string) {
    this.#server = createServer((client) => {
      const peer = connect(target);
      this.#pass("client", client, peer);
      this.#pass("switch", peer, client);
    });
  }

  /** Listens on `path` and hands on to `target`. */
  static async between(path: string, target: string): Promise<Recorder> {
    rmSync(path, { force: true });
    const recorder = new Recorder(target);
    await new Promise<void>((resolve) => recorder.#server.listen(path, resolve));
    return recorder;
  }

  #pass(from: Said["from"], source: Socket, sink: Socket): void {
    this.#sockets.add(source);
    let rest: Buffer = Buffer.alloc(0);
    source.on("data", (data: Buffer) => {
      sink.write(data);
      rest = Buffer.concat([rest, data]);
      // The header of every version: version, type, length (16 bits), xid.
      while (rest.length >= 8 && rest.length >= rest.readUInt16BE(2)) {
        const length = Math.max(8, rest.readUInt16BE(2));
        this.#said.push({ from, bytes: rest.subarray(0, length) });
        rest = rest.subarray(length);
      }
    });
    source.on("error", () => sink.destroy());
    source.on("close", () => {
      this.#sockets.delete(source);
      sink.end();
    });
  }

  /** What was said since it was asked the last time. */
  take(): Said[] {
    const said = this.#said;
    this.#said = [];
    return said;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
