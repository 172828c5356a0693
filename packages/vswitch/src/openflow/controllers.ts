/**
 * What rows of the Controller table ask for: a primary controller is one that the switch connects to and comes back to, a
 * service controller a socket that lets others in (ovs-vswitchd.conf.db(5), Controller target).
 */
import type { OpenFlowConnection } from "@weft/openflow";
import type { Uuid } from "@weft/ovsdb";
import { type Logger, messageOf, type Runtime, type Stream } from "@weft/runtime";
import type { VsRow } from "@weft/schemas";
import type { Session } from "./session.ts";

export const DEFAULT_PORT = 6653;
/** Idle time after which a controller is asked for a sign of life (ms), where its row says nothing. */
export const PROBE_MS = 5000;
const FIRST_BACKOFF_MS = 1000;
const MAX_BACKOFF_MS = 8000;

export interface ControllerStatus {
  readonly uuid: Uuid;
  readonly connected: boolean;
  readonly role: "master" | "slave" | "other" | undefined;
  readonly status: ReadonlyMap<string, string>;
}

/** The kind of controller that a target asks for; undefined: none that there is. */
export function kindOf(target: string): "primary" | "service" | undefined {
  const method = /^(p?)(?:tcp|ssl|unix|memory):/.exec(target);
  if (method === null) return undefined;
  return method[1] === "" ? "primary" : "service";
}

export interface PrimaryOptions {
  readonly bridge: string;
  readonly target: string;
  readonly runtime: Runtime;
  readonly runDir: string | undefined;
  /** A connection is there. */
  readonly accept: (stream: Stream, controller: PrimaryController) => void;
  /** What it tells of itself has changed. */
  readonly changed: () => void;
}

export class PrimaryController {
  readonly target: string;
  /** Told of what it and the switch say to each other. */
  readonly snoopers = new Set<OpenFlowConnection>();
  session: Session | undefined;
  /** Monotonic ms of the last message, or of when it was configured. */
  heard: number;
  /** Idle time after which it is asked for a sign of life (ms); 0: never. */
  probe = PROBE_MS;
  readonly #options: PrimaryOptions;
  #row: Uuid | undefined;
  readonly #log: Logger;
  readonly #name: string;
  #cancelled = false;
  /** Wall time in ms of the last connection, and of its end. */
  #connectedAt: number | undefined;
  #disconnectedAt: number | undefined;
  #lastError: string | undefined;
  #backoff = FIRST_BACKOFF_MS;
  #maxBackoff = MAX_BACKOFF_MS;
  /** It has failed so often that no more is logged of trying. */
  #quiet = false;

  constructor(options: PrimaryOptions) {
    this.#options = options;
    this.target = options.target;
    this.#name = `${options.bridge}<->${options.target}`;
    this.#log = options.runtime.log.logger("rconn");
    this.heard = options.runtime.clock.now();
  }

  get connected(): boolean {
    return this.session !== undefined;
  }

  /** Takes what its row says, which may be another one than before. */
  follow(row: VsRow<"Controller">): void {
    this.#row = row._uuid;
    this.#maxBackoff = row.max_backoff === undefined ? MAX_BACKOFF_MS : Math.max(FIRST_BACKOFF_MS, Number(row.max_backoff));
    this.probe = row.inactivity_probe === undefined ? PROBE_MS : Number(row.inactivity_probe);
  }

  dial(): void {
    if (this.#cancelled) return;
    const { runtime, runDir, accept } = this.#options;
    if (!this.#quiet) this.#log.info(`${this.#name}: connecting...`);
    const target =
      runDir !== undefined && /^unix:[^/]/.test(this.target) ? `unix:${runDir}/${this.target.slice(5)}` : this.target;
    runtime.net.connect(target, { defaultPort: DEFAULT_PORT }).then(
      (stream) => {
        if (this.#cancelled) stream.destroy();
        else accept(stream, this);
      },
      (error: unknown) => {
        if (this.#cancelled) return;
        // The target is said before it.
        this.#lastError = messageOf(error).split(": ").at(-1);
        this.#log.warn(`${this.#name}: connection failed (${this.#lastError})`);
        this.#options.changed();
        this.#again();
      },
    );
  }

  up(session: Session): void {
    if (this.#cancelled) return session.channel.close();
    this.session = session;
    this.#connectedAt = this.#options.runtime.clock.wall();
    this.#backoff = FIRST_BACKOFF_MS;
    this.#quiet = false;
    this.#log.info(`${this.#name}: connected`);
    this.#options.changed();
  }

  /** A connection has ended; `session`: if it was agreed on. */
  down(session: Session | undefined, error: Error | undefined): void {
    if (this.session !== undefined && this.session !== session) return;
    if (this.session !== undefined) {
      if (!this.#cancelled)
        this.#log.info(`${this.#name}: connection ${error === undefined ? "closed by peer" : `dropped (${error.message})`}`);
      this.#disconnectedAt = this.#options.runtime.clock.wall();
    }
    this.session = undefined;
    if (error !== undefined) this.#lastError = error.message;
    this.#options.changed();
    if (!this.#cancelled) this.#again();
  }

  #again(): void {
    const wait = this.#backoff;
    if (!this.#quiet) {
      // At the longest wait there is nothing new to tell.
      this.#quiet = wait >= this.#maxBackoff;
      this.#log.info(
        this.#quiet
          ? `${this.#name}: continuing to retry connections in the background but suppressing further logging`
          : `${this.#name}: waiting ${Math.floor(wait / 1000)} seconds before reconnect`,
      );
    }
    this.#options.runtime.clock.after(wait, () => this.dial(), true);
    this.#backoff = Math.min(this.#maxBackoff, wait * 2);
  }

  /** It is no longer asked for. */
  close(): void {
    this.#cancelled = true;
    this.session?.channel.close();
    for (const snooper of this.snoopers) snooper.close();
  }

  /** What its row shows. */
  get status(): ControllerStatus | undefined {
    if (this.#row === undefined) return undefined;
    const now = this.#options.runtime.clock.wall();
    const status = new Map<string, string>();
    const seconds = (since: number) => String(Math.floor((now - since) / 1000));
    if (this.#lastError !== undefined) status.set("last_error", this.#lastError);
    if (this.#connectedAt !== undefined) status.set("sec_since_connect", seconds(this.#connectedAt));
    if (this.#disconnectedAt !== undefined) status.set("sec_since_disconnect", seconds(this.#disconnectedAt));
    status.set("state", this.connected ? "ACTIVE" : "BACKOFF");
    const role = this.session?.role;
    return {
      uuid: this.#row,
      connected: this.connected,
      role: role === undefined ? undefined : role === "master" || role === "slave" ? role : "other",
      status,
    };
  }
}

/** Why a local socket is not used as a controller: it could belong to anybody, or be anything. Undefined: it may be. */
export function refusedSocket(bridge: string, target: string, runDir: string | undefined): string | undefined {
  const socket = /^(p?)unix:(.*)$/.exec(target);
  if (runDir === undefined || socket === null) return undefined;
  const [, passive, path = ""] = socket;
  const always = `"unix:${runDir}/${bridge}.mgmt" (which is always available without special configuration).`;
  if (passive === "p") {
    if (path.startsWith(`${runDir}/${bridge}.`)) return undefined;
    return (
      `bridge ${bridge}: Not adding Unix domain socket controller "${target}" due to possibility of overwriting local files. ` +
      `Instead, specify path in permitted format "punix:${runDir}/${bridge}.*" or connect to ${always}`
    );
  }
  if (!path.startsWith("/") || path.startsWith(`${runDir}/`)) return undefined;
  return (
    `bridge ${bridge}: Not connecting to socket controller "${target}" due to possibility for remote exploit.  ` +
    `Instead, specify socket in permitted directory "unix:${runDir}/" or connect to ${always}`
  );
}
