/** How long connections live without packets: the userspace datapath's defaults, and CT_Timeout_Policy (ovs-vswitchd.conf.db(5)). */

/** What a timeout depends on. The columns of CT_Timeout_Policy that this datapath has, in seconds, in this order. */
export const TIMEOUTS = {
  tcp_syn_sent: 30,
  tcp_syn_recv: 30,
  tcp_established: 24 * 60 * 60,
  tcp_fin_wait: 15 * 60,
  tcp_time_wait: 45,
  tcp_close: 30,
  udp_first: 60,
  udp_single: 60,
  udp_multiple: 30,
  icmp_first: 60,
  icmp_reply: 30,
} as const;

export type TimeoutName = keyof typeof TIMEOUTS;

const NAMES = Object.keys(TIMEOUTS) as TimeoutName[];

/** Timeouts in milliseconds by name. */
export type TimeoutPolicy = Readonly<Record<TimeoutName, number>>;

export function timeoutPolicy(seconds: ReadonlyMap<string, bigint | number>): TimeoutPolicy {
  const made: Record<string, number> = {};
  for (const name of NAMES) made[name] = Number(seconds.get(name) ?? TIMEOUTS[name]) * 1000;
  // Every name has been given its value.
  return made as TimeoutPolicy;
}

export const DEFAULT_POLICY: TimeoutPolicy = timeoutPolicy(new Map());
