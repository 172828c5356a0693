/** The public face of the controller. */
import type { EngineStatistics } from "@weft/incremental";
import type { Replica } from "@weft/ovsdb";
import type { ControlCommand, Coverage, Runtime, Stopwatch, TlsProvider } from "@weft/runtime";
import type { SbSchema, VsSchema } from "@weft/schemas";
import type { Dial } from "./ofctrl/link.ts";
import type { Conditions } from "./write/conditions.ts";

export interface SouthboundOptions {
  readonly remotes: readonly string[];
  readonly conditions: Conditions;
}

export interface ControllerOptions {
  readonly runtime: Runtime;
  /** The local database. What the controller reads of it: `localMonitor`. */
  readonly ovs: Replica<VsSchema>;
  /** The host's name, for Chassis.hostname where external_ids:hostname is not set. */
  readonly hostname: string;
  /** Where the switch's sockets are: BRIDGE.mgmt. */
  readonly rundir: string;
  /** -n, or the file system-id-override. */
  readonly systemId?: string;
  /** For ssl: remotes of the Southbound. */
  readonly tls?: TlsProvider;
  /** Opens the Southbound; by default over the runtime's network. */
  readonly connectSouthbound?: (options: SouthboundOptions) => Replica<SbSchema>;
  /** Opens an OpenFlow connection to the integration bridge; by default over the runtime's network. */
  readonly connectBridge?: Dial;
}

export interface Controller {
  /** Resolves when the local database has been read and the work has begun. */
  start(): Promise<void>;
  /** Ends. Without `restart` this chassis' rows and ports are removed first, unless ovn-cleanup-on-exit says no. */
  stop(options?: { readonly restart?: boolean }): Promise<void>;
  /** Resolves when the controller has ended by itself, as by the command "exit". */
  readonly ended: Promise<void>;
  readonly controlCommands: readonly ControlCommand[];
  /** What is counted, measured and held: see coverage/show, stopwatch/show and memory/show. */
  readonly coverage: Coverage;
  readonly stopwatches: ReadonlyMap<string, Stopwatch>;
  memory(): ReadonlyMap<string, number>;
  statistics(): EngineStatistics;
  /** Computes everything from scratch. */
  recompute(): void;
  /** A computation that takes at least as long (ms) is told in the log. */
  computeLogTimeout: number;
  /** Resolves when everything known so far is in the switch and the databases. For tests. */
  idle(): Promise<void>;
}
