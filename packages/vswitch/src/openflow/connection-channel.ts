import { encode, type OfVersion, type OpenFlowConnection } from "@weft/openflow";
import type { Channel, FlowMatchFormat } from "./channel.ts";

/** The connection of the openflow package as the session's channel. */
export class ConnectionChannel implements Channel {
  readonly connection: OpenFlowConnection;
  readonly version: OfVersion;
  #flowModTableId = false;
  #flowFormat: FlowMatchFormat = "openflow10";

  constructor(connection: OpenFlowConnection, version: OfVersion) {
    this.connection = connection;
    this.version = version;
    this.#configure();
  }

  get name(): string {
    return this.connection.name;
  }

  get pending(): number {
    return this.connection.backlog;
  }

  get flowModTableId(): boolean {
    return this.#flowModTableId;
  }

  set flowModTableId(on: boolean) {
    this.#flowModTableId = on;
    this.#configure();
  }

  get flowFormat(): FlowMatchFormat {
    return this.#flowFormat;
  }

  set flowFormat(format: FlowMatchFormat) {
    this.#flowFormat = format;
    this.#configure();
  }

  /** Until the peer asks for it, OpenFlow 1.0 speaks of no table and in no NXM. */
  #configure(): void {
    this.connection.configure({ flowFormat: this.#flowFormat }, { flowModTableId: this.#flowModTableId });
  }

  send(message: Parameters<Channel["send"]>[0], xid?: number): void {
    if (this.connection.closed) return;
    this.connection.send(message, xid ?? 0);
  }

  refuse(request: Uint8Array, error: string, xid: number): void {
    if (this.connection.closed) return;
    if (request.length >= 8) {
      this.connection.sendError(error, request);
      return;
    }
    this.connection.sendBytes(
      encode({ type: "error", error, errorType: 0, code: 0, vendor: 0, data: request }, this.version, xid),
    );
  }

  close(): void {
    this.connection.close();
  }
}
