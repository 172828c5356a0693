/** Servers that a server of ours follows, for a relay or a backup. */
import type { Runtime, TlsProvider } from "@weft/runtime";
import { Session, type SessionHandlers } from "../client/session.ts";

export interface Source {
  /** Active connection methods, joined by commas. */
  readonly remote: string;
  /** Ms of silence before a probe; undefined for the default. */
  readonly probe?: number;
  /** Ms between attempts to connect, at most. */
  readonly maxBackoff?: number;
}

/** What connecting to a source takes. */
export interface SourceWorld {
  readonly runtime: Runtime;
  readonly tls: TlsProvider;
}

/** Ms: a busy active server is not given up soon, for then everything is sent again. */
const DEFAULT_PROBE = 60_000;
const DEFAULT_MAX_BACKOFF = 8000;

export function sourceSession({ runtime, tls }: SourceWorld, source: Source, handlers: SessionHandlers): Session {
  const { remote, probe = DEFAULT_PROBE, maxBackoff = DEFAULT_MAX_BACKOFF } = source;
  const remotes = remote.split(/\s*,\s*/).filter((one) => one !== "");
  const backoff = { min: Math.min(1000, maxBackoff), max: maxBackoff };
  return new Session({ runtime, remotes, tls, probe, backoff }, handlers);
}
