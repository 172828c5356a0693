/** A run of ovs-ofctl: its settings, its output, and the connections that it opens. */
import {
  formatMessage,
  type Message,
  type Names,
  NO_NAMES,
  namesOf,
  OFPP,
  OpenFlowConnection,
  OpenFlowError,
  type Reply,
  type TableFeatures,
} from "@weft/openflow";
import { type Host, messageOf, type Stream } from "@weft/runtime";
import { directoriesOf } from "../directories.ts";
import { Fatal, Refused } from "./fatal.ts";
import { hasTableId, isNxm, lowest, PROTOCOL, protocolNames, protocolsOf, versionsOf } from "./protocols.ts";
import type { Settings } from "./settings.ts";

export interface OpenOptions {
  /** Wire versions to offer, as a bitmap. */
  readonly versions: number;
}

export class Session {
  readonly host: Host;
  readonly settings: Settings;
  #xid = 0;
  readonly #open: OpenFlowConnection[] = [];

  constructor(host: Host, settings: Settings) {
    this.host = host;
    this.settings = settings;
  }

  async print(text: string): Promise<void> {
    await this.host.stdout.write(text);
  }

  async complain(text: string): Promise<void> {
    await this.host.stderr.write(text);
  }

  /** Where a switch is: a connection method, a socket's file, or a bridge. Throws a Fatal. */
  async remoteOf(name: string, suffix = "mgmt"): Promise<string> {
    if (name.includes(":")) return name;
    const { files } = this.host.runtime;
    const path = `${directoriesOf(this.host.env, "ovs").run}/${name}.${suffix}`;
    if (!name.includes("/") && (await files.exists(path))) return `unix:${path}`;
    if (await files.exists(name)) return `unix:${name}`;
    throw new Fatal(`${name} is not a bridge or a socket`);
  }

  /** Opens a connection and waits until a version is agreed. */
  async connect(
    name: string,
    options: OpenOptions,
    handlers: { onMessage?(bytes: Uint8Array): void; onClose?(): void } = {},
    suffix = "mgmt",
  ): Promise<OpenFlowConnection> {
    const remote = await this.remoteOf(name, suffix);
    let stream: Stream;
    try {
      stream = await this.host.runtime.net.connect(remote, { defaultPort: 6653 });
    } catch (error) {
      const reason = /: ([^:]*)$/.exec(messageOf(error))?.[1] ?? messageOf(error);
      throw new Fatal(name.includes(":") ? `connecting to ${remote} (${reason})` : `${name}: failed to open socket (${reason})`);
    }
    return await new Promise((resolve, reject) => {
      let ready = false;
      const connection = new OpenFlowConnection(stream, {
        versions: options.versions,
        nextXid: () => ++this.#xid,
        onReady: () => {
          ready = true;
          this.#open.push(connection);
          resolve(connection);
        },
        onTraffic: (direction, bytes) => {
          // Hellos and echoes are no news.
          if (direction === "received" && bytes[1] !== 0 && bytes[1] !== 2) handlers.onMessage?.(bytes);
        },
        onClose: () => {
          if (!ready) reject(new Fatal(`${remote}: failed to connect to socket (Protocol error)`));
          else handlers.onClose?.();
        },
      });
    });
  }

  /** Opens a connection in any allowed version. */
  open(name: string): Promise<OpenFlowConnection> {
    return this.connect(name, { versions: this.settings.versions });
  }

  /**
   * Opens a connection for flows that the formats of `usable` can say; sets the format. Throws a Fatal when none of them
   * is allowed.
   */
  async openForFlows(
    name: string,
    usable: number,
  ): Promise<{ readonly connection: OpenFlowConnection; readonly protocol: number }> {
    const allowed = protocolsOf(this.settings.versions) & this.settings.protocols;
    if ((allowed & usable) === 0)
      throw new Fatal(
        `none of the usable flow formats (${protocolNames(usable)}) is among the allowed flow formats (${protocolNames(allowed)})`,
      );
    const connection = await this.connect(name, { versions: versionsOf(usable & allowed) });
    const usableHere = usable & allowed & protocolsOf(1 << connection.version!);
    if (usableHere === 0)
      throw new Fatal(`switch does not support any of the usable flow formats (${protocolNames(usable & allowed)})`);
    const protocol = lowest(usableHere);
    await this.setProtocol(connection, protocol);
    return { connection, protocol };
  }

  /** Opens a connection for asking about flows: the most capable format that the version has. */
  async openForDump(
    name: string,
    usable: number,
  ): Promise<{ readonly connection: OpenFlowConnection; readonly protocol: number }> {
    const allowed = protocolsOf(this.settings.versions) & this.settings.protocols;
    if ((allowed & usable) === 0)
      throw new Fatal(
        `none of the usable flow formats (${protocolNames(usable)}) is among the allowed flow formats (${protocolNames(allowed)})`,
      );
    const connection = await this.connect(name, { versions: versionsOf(usable & allowed) });
    const here = usable & allowed & protocolsOf(1 << connection.version!);
    // Nothing but flow mods names tables in OpenFlow 1.0.
    if ((here & ~(PROTOCOL.OF10_TID | PROTOCOL.NXM_TID)) === 0)
      throw new Fatal(`switch does not support any of the usable flow formats (${protocolNames(usable)})`);
    const protocol = connection.version !== 1 ? lowest(here) : (here & PROTOCOL.NXM) !== 0 ? PROTOCOL.NXM : lowest(here);
    await this.setProtocol(connection, protocol);
    return { connection, protocol };
  }

  /** Opens a connection for groups: as for flows, but nothing is set up. */
  async openForGroups(name: string, usable: number, command: string): Promise<OpenFlowConnection> {
    const allowed = protocolsOf(this.settings.versions) & this.settings.protocols;
    if ((allowed & usable) === 0) {
      if (command === "insert_bucket") throw new Fatal("insert-bucket needs OpenFlow 1.5 or later ('-O OpenFlow15')");
      throw new Fatal(
        `none of the usable flow formats (${protocolNames(usable)}) is among the allowed flow formats (${protocolNames(allowed)})`,
      );
    }
    return await this.connect(name, { versions: versionsOf(usable & allowed) });
  }

  /** OpenFlow 1.0: tells the switch the flow format and whether flow mods name tables. */
  async setProtocol(connection: OpenFlowConnection, protocol: number): Promise<void> {
    if (connection.version !== 1) return;
    const nxm = isNxm(protocol);
    if (nxm) await this.mustSucceed(connection, { type: "set_flow_format", format: "nxm" });
    if (hasTableId(protocol)) await this.mustSucceed(connection, { type: "flow_mod_table_id", on: true });
    connection.configure(
      { flowFormat: nxm ? "nxm" : "openflow10", flowModTableId: hasTableId(protocol) },
      { flowModTableId: hasTableId(protocol) },
    );
  }

  /** Sends a message that has no answer, and a barrier. An error is printed, and ends the program. */
  async mustSucceed(connection: OpenFlowConnection, message: Message): Promise<void> {
    const [failure] = await connection.transact([message]);
    if (failure !== undefined) await this.refuse(failure.error);
  }

  /** Sends messages one after the other, each with a barrier; stops at the first error. */
  async mustSucceedAll(connection: OpenFlowConnection, messages: readonly Message[]): Promise<void> {
    for (const message of messages) await this.mustSucceed(connection, message);
  }

  async refuse(error: OpenFlowError): Promise<never> {
    await this.complain(formatMessage(error.reply, { verbosity: this.settings.verbosity + 1 }));
    throw new Refused(error.message);
  }

  /** Sends a request and resolves with its reply; an error is printed and ends the program. */
  async ask(connection: OpenFlowConnection, message: Message): Promise<Message> {
    try {
      return await connection.request(message);
    } catch (error) {
      if (error instanceof OpenFlowError) return await this.refuse(error);
      throw error;
    }
  }

  async askAll(connection: OpenFlowConnection, message: Message): Promise<readonly Message[]> {
    return (await this.askReplies(connection, message)).map((reply) => reply.message);
  }

  async askReplies(connection: OpenFlowConnection, message: Message): Promise<readonly Reply[]> {
    try {
      return await connection.requestReplies(message);
    } catch (error) {
      if (error instanceof OpenFlowError) return await this.refuse(error);
      throw error;
    }
  }

  /** Sends a request of several parts and resolves with the replies; an error is printed and ends the program. */
  async askParts(connection: OpenFlowConnection, parts: readonly Message[]): Promise<void> {
    const xid = connection.nextXid();
    for (const part of parts.slice(0, -1)) connection.send(part, xid);
    try {
      await connection.requestReplies(parts.at(-1)!, xid);
    } catch (error) {
      if (!(error instanceof OpenFlowError)) throw error;
      await this.refuse(error);
    }
  }

  /** Sends a request and prints what comes back, an error too. */
  async dump(connection: OpenFlowConnection, message: Message, names: Names = NO_NAMES): Promise<void> {
    try {
      for (const { bytes } of await connection.requestReplies(message))
        await this.print(formatMessage(bytes, { names, verbosity: this.settings.verbosity + 1 }));
    } catch (error) {
      if (!(error instanceof OpenFlowError)) throw error;
      await this.print(formatMessage(error.reply, { verbosity: this.settings.verbosity + 1 }));
    }
  }

  /** Opens a connection, asks, prints. */
  async dumpOnce(name: string, message: Message, names: Names = NO_NAMES): Promise<void> {
    const connection = await this.open(name);
    await this.dump(connection, message, names);
  }

  /** Port and table names of the switch, as they are taken in what is typed. */
  async namesToAccept(name: string): Promise<Names> {
    return this.settings.acceptNames ? await this.fetchNames(name) : NO_NAMES;
  }

  /** Port and table names of the switch, as they are shown. */
  async namesToShow(name: string): Promise<Names> {
    return this.settings.showNames ? await this.fetchNames(name) : NO_NAMES;
  }

  #names: { readonly of: string; readonly names: Names } | undefined;

  /** Asks for the names of tables and ports, over connections of their own. */
  async fetchNames(name: string): Promise<Names> {
    if (this.#names?.of === name) return this.#names.names;
    const tables = await this.#tableNames(name);
    const ports = await this.portsOf(name);
    const names = namesOf(
      ports.map(({ port, name: portName }) => [port, portName] as const),
      tables,
    );
    this.#names = { of: name, names };
    return names;
  }

  async #tableNames(name: string): Promise<(readonly [number, string])[]> {
    const connection = await this.open(name);
    const found: (readonly [number, string])[] = [];
    if (connection.version! >= 4) {
      for (const features of await this.tableFeatures(connection)) found.push([features.table, features.name]);
    } else {
      for (const reply of await this.askAll(connection, { type: "table_stats_request" }))
        if (reply.type === "table_stats_reply") for (const table of reply.tables) found.push([table.table, table.name]);
    }
    connection.close();
    return found;
  }

  async tableFeatures(connection: OpenFlowConnection): Promise<TableFeatures[]> {
    const replies = await this.askAll(connection, { type: "table_features_request", tables: [], more: false });
    return replies.flatMap((reply) => (reply.type === "table_features_reply" ? reply.tables : []));
  }

  /** Descriptions of all ports. */
  async portsOf(name: string) {
    const connection = await this.open(name);
    const replies = await this.askAll(connection, { type: "port_desc_request", port: OFPP.NONE });
    connection.close();
    return replies.flatMap((reply) => (reply.type === "port_desc_reply" ? reply.ports : []));
  }

  close(): void {
    for (const connection of this.#open) connection.close();
  }

  /** Text of a file, or of standard input for "-". Throws a Fatal, which says that it could not do `what`. */
  async readText(path: string, what = "open failed"): Promise<string> {
    if (path === "-") {
      const chunks: Uint8Array[] = [];
      for await (const chunk of this.host.stdin) chunks.push(chunk);
      return new TextDecoder().decode(Buffer.concat(chunks));
    }
    try {
      const full = path.startsWith("/") ? path : `${this.host.cwd}/${path}`;
      return new TextDecoder().decode(await this.host.runtime.files.read(full));
    } catch (error) {
      throw new Fatal(`${path}: ${what} (${/: ([^:]*)$/.exec(messageOf(error))?.[1] ?? messageOf(error)})`);
    }
  }

  /** Lines of a flow file with their numbers: comments and blank lines left out. */
  async readLines(path: string, what?: string): Promise<readonly { readonly text: string; readonly where: string }[]> {
    const text = await this.readText(path, what);
    const lines: { text: string; where: string }[] = [];
    text.split("\n").forEach((line, i) => {
      const stripped = line.replace(/#.*$/, "");
      if (stripped.trim() !== "") lines.push({ text: stripped, where: `${path === "-" ? "<stdin>" : path}:${i + 1}` });
    });
    return lines;
  }
}
