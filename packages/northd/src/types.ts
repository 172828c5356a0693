/** The public face of northd. */
import type { EngineStatistics } from "@weft/incremental";
import type { Replica } from "@weft/ovsdb";
import type { ControlCommand, Coverage, Runtime, Stopwatch } from "@weft/runtime";
import type { NbSchema, SbSchema } from "@weft/schemas";
import type { ChassisFeature } from "./model/chassis.ts";

export interface NorthdOptions {
  readonly runtime: Runtime;
  readonly nb: Replica<NbSchema>;
  readonly sb: Replica<SbSchema>;
  /** Start without writing anything (--dry-run). */
  readonly paused?: boolean;
}

export type NorthdStatus = "active" | "standby" | "paused";

export interface Northd {
  /** Follows the databases from now on; resolves when both are there. */
  start(): Promise<void>;
  stop(): Promise<void>;
  pause(): void;
  resume(): void;
  status(): NorthdStatus;
  /** Resolves when nothing that is known now is left to write. */
  idle(): Promise<void>;
  /** Computes everything from scratch. */
  recompute(): void;
  statistics(): EngineStatistics;
  /** A computation that takes at least as long (ms) is told in the log. */
  computeLogTimeout: number;
  readonly coverage: Coverage;
  readonly stopwatches: ReadonlyMap<string, Stopwatch>;
  /** Sizes of what is held, by the names of memory/show. */
  memory(): ReadonlyMap<string, number>;
  /** Features of controllers, and whether the flows make use of them. */
  chassisFeatures(): ReadonlyMap<ChassisFeature, boolean>;
  connected(database: "nb" | "sb"): boolean;
  /** See {@link Replica.resetClusterState}. */
  resetClusterState(database: "nb" | "sb"): void;
  readonly controlCommands: readonly ControlCommand[];
}
