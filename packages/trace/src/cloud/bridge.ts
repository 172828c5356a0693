/** What a bridge has installed, read over OpenFlow. */
import {
  type FlowStats,
  type GroupDescription,
  Match,
  type Message,
  type MeterConfig,
  OFPG,
  OFPP,
  OpenFlowConnection,
  type TlvMapping,
} from "@weft/openflow";
import { type Runtime, type TlsProvider, WeftError } from "@weft/runtime";

/** `packets`: how many have met it, of a flow that was read from a switch. */
export type InstalledFlow = Pick<FlowStats, "table" | "priority" | "match" | "actions" | "cookie"> &
  Partial<Pick<FlowStats, "packets">>;

export interface InstalledState {
  readonly flows: readonly InstalledFlow[];
  readonly groups: readonly GroupDescription[];
  readonly meters: readonly MeterConfig[];
  readonly tlv: readonly TlvMapping[];
}

/** OpenFlow 1.5, which has everything that is asked for; 1.3 where a switch has no later one. */
const VERSIONS = (1 << 6) | (1 << 4);
/** Milliseconds that a switch may take to greet us. */
const PATIENCE = 5000;
const ALL_METERS = 0xffff_ffff;

/** Reads a bridge's flows, groups, meters and tunnel options. Rejects with a WeftError that names the remote. */
export async function readInstalled(runtime: Runtime, remote: string, tls?: TlsProvider): Promise<InstalledState> {
  const connection = await connect(runtime, remote, tls);
  try {
    const all = async <T>(request: Message, take: (reply: Message) => readonly T[]): Promise<T[]> =>
      (await connection.requestAll(request)).flatMap(take);
    const [groups, meters, flows, tlv] = await Promise.all([
      all({ type: "group_desc_request", group: OFPG.ALL }, (reply) => (reply.type === "group_desc_reply" ? reply.groups : [])),
      all({ type: "meter_config_request", meter: ALL_METERS }, (reply) =>
        reply.type === "meter_config_reply" ? reply.meters : [],
      ),
      all(
        {
          type: "flow_stats_request",
          match: Match.ANY,
          cookie: 0n,
          cookieMask: 0n,
          outPort: OFPP.NONE,
          outGroup: OFPG.ANY,
          table: 0xff,
        },
        (reply) => (reply.type === "flow_stats_reply" ? reply.flows : []),
      ),
      connection.request({ type: "tlv_table_request" }),
    ]);
    return { flows, groups, meters, tlv: tlv.type === "tlv_table_reply" ? tlv.mappings : [] };
  } finally {
    connection.close();
  }
}

async function connect(runtime: Runtime, remote: string, tls?: TlsProvider): Promise<OpenFlowConnection> {
  const options = await tls?.();
  const stream = await runtime.net.connect(remote, { defaultPort: 6653, ...(options === undefined ? {} : { tls: options }) });
  return new Promise((resolve, reject) => {
    const connection = new OpenFlowConnection(stream, {
      versions: VERSIONS,
      onReady: () => {
        timer.cancel();
        resolve(connection);
      },
      onClose: (error) => {
        timer.cancel();
        reject(error ?? new WeftError("net.closed", `${remote}: the switch closed the connection`));
      },
    });
    const timer = runtime.clock.after(PATIENCE, () =>
      connection.close(new WeftError("net.timeout", `${remote}: no OpenFlow greeting within ${PATIENCE / 1000} s`)),
    );
  });
}
