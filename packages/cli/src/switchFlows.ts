/** The OpenFlow flows of a switch by their cookies, which begin the uuids of the southbound rows that they come of (--ovs). */
import { type FlowStats, Match, OFPG, OFPP, OpenFlowConnection } from "@weft/openflow";
import { type Host, type Logger, messageOf, type Runtime, type Stream, WeftError } from "@weft/runtime";
import { directoriesOf } from "./directories.ts";
import { type GivenOption, tlsProviderOf } from "./options.ts";

/** The flows with a cookie, in the order in which the switch tells of them when it is asked for that cookie. */
export type FlowsOf = (cookie: number) => readonly FlowStats[];

/** The cookie of flows that come of a row. */
export function cookieOf(uuid: string): number {
  return Number.parseInt(uuid.slice(0, 8), 16);
}

/**
 * Asks a switch for flows: `remote`, an active connection method of ovsdb(7), or the integration bridge. Undefined, with a
 * warning, when there is none: what is said goes without flows then.
 */
export async function flowsOfSwitch(
  remote: string | undefined,
  cookies: Iterable<number>,
  { options, host, runtime, logger }: { options: readonly GivenOption[]; host: Host; runtime: Runtime; logger: Logger },
): Promise<FlowsOf | undefined> {
  const where = remote ?? `unix:${directoriesOf(host.env, "ovs").run}/br-int.mgmt`;
  try {
    const tls = await tlsProviderOf(host.runtime.files, options)?.();
    const stream = await runtime.net.connect(where, { ...(tls === undefined ? {} : { tls }), defaultPort: 6653 });
    const flows = await readFlows(where, stream, runtime, new Set(cookies));
    return (cookie) => flows.get(cookie) ?? [];
  } catch (error) {
    if (!(error instanceof WeftError)) throw error;
    const text = messageOf(error);
    logger.warn(`${where}: connection failed (${text.slice(text.lastIndexOf(": ") + 1).trim()})`);
    return undefined;
  }
}

/** OpenFlow 1.5, 1.3 and 1.0, whichever the switch has. */
const VERSIONS = (1 << 1) | (1 << 4) | (1 << 6);
const WHOLE_COOKIE = 0xffff_ffff_ffff_ffffn;

function readFlows(
  remote: string,
  stream: Stream,
  { clock }: Runtime,
  cookies: ReadonlySet<number>,
): Promise<ReadonlyMap<number, readonly FlowStats[]>> {
  return new Promise((resolve, reject) => {
    const connection = new OpenFlowConnection(stream, {
      versions: VERSIONS,
      clock,
      onReady: () => {
        const answers = [...cookies].map(async (cookie) => [cookie, await flowsWith(connection, cookie)] as const);
        Promise.all(answers).then((found) => {
          resolve(new Map(found));
          connection.close();
        }, reject);
      },
      onClose: (error) => reject(error ?? new WeftError("net.closed", `${remote}: connection closed`)),
    });
  });
}

async function flowsWith(connection: OpenFlowConnection, cookie: number): Promise<readonly FlowStats[]> {
  const replies = await connection.requestAll({
    type: "flow_stats_request",
    match: Match.ANY,
    cookie: BigInt(cookie),
    cookieMask: WHOLE_COOKIE,
    outPort: OFPP.NONE,
    outGroup: OFPG.ANY,
    table: 0xff,
  });
  return replies.flatMap((reply) => (reply.type === "flow_stats_reply" ? reply.flows : []));
}
