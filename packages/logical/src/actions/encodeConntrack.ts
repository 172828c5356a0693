/** Connection tracking and load balancing to OpenFlow. */
import { type Action, type ActionOf, field, type Subfield } from "@weft/openflow";
import { LogicalError } from "../error.ts";
import { type EncodeOptions, resubmit, setBits, subfieldOf } from "./encodeParts.ts";
import { bucket, type GroupRequest, selectionOf } from "./groups.ts";
import { openflowTable } from "./tables.ts";
import type { IpAddress, LogicalAction, LogicalActionOf } from "./types.ts";

type ConntrackAction =
  | LogicalActionOf<"ct_next">
  | LogicalActionOf<"ct_commit">
  | LogicalActionOf<"ct_commit_to_zone">
  | LogicalActionOf<"ct_commit_nat">
  | LogicalActionOf<"ct_nat">
  | LogicalActionOf<"ct_lb">;

function zoneIn(register: string): Subfield {
  return { field: field(register), offset: 0, bits: 16 };
}

/** Zones: of the logical port, and for NAT of the datapath. */
const PORT_ZONE = zoneIn("reg13");
const DNAT_ZONE = zoneIn("reg11");
const SNAT_ZONE = zoneIn("reg12");

function zoneOf(options: EncodeOptions, nat: "dnat" | "snat"): Subfield {
  return options.isSwitch ? PORT_ZONE : natZone(nat);
}

function natZone(nat: "dnat" | "snat"): Subfield {
  return nat === "dnat" ? DNAT_ZONE : SNAT_ZONE;
}

const APPLY_NAT: ActionOf<"nat"> = {
  type: "nat",
  direction: undefined,
  persistent: false,
  hash: false,
  random: false,
  ipv4: undefined,
  ipv6: undefined,
  ports: undefined,
};

function ct(zone: Subfield, options: { commit: boolean; table?: number | undefined; actions?: readonly Action[] }): Action {
  return {
    type: "ct",
    commit: options.commit,
    force: false,
    zone,
    table: options.table,
    alg: undefined,
    actions: options.actions ?? [],
  };
}

function nat(
  direction: "src" | "dst",
  ip: IpAddress,
  ports?: { readonly min: number; readonly max: number },
  random = false,
): Action {
  const ipv4 = ip.family === 4 ? { min: Number(ip.value), max: Number(ip.value) } : undefined;
  const ipv6 = ip.family === 6 ? { min: ip.value, max: ip.value } : undefined;
  return { ...APPLY_NAT, direction, ipv4, ipv6, ports, random };
}

/** `encodeInner` encodes the assignments of ct_commit. */
export function encodeConntrack(
  action: ConntrackAction,
  options: EncodeOptions,
  out: Action[],
  encodeInner: (actions: readonly LogicalAction[], options: EncodeOptions) => Action[],
): void {
  switch (action.kind) {
    case "ct_next":
      out.push(ct(zoneOf(options, action.zone), { commit: false, table: openflowTable(options.pipeline, action.next) }));
      break;
    case "ct_commit": {
      const actions: Action[] = [{ ...APPLY_NAT, direction: "src" }, ...encodeInner(action.actions, options)];
      out.push(ct(zoneOf(options, "dnat"), { commit: true, actions }));
      break;
    }
    case "ct_commit_to_zone":
      out.push(ct(zoneOf(options, action.zone), { commit: true, table: openflowTable(options.pipeline, action.next) }));
      break;
    case "ct_commit_nat": {
      const table = openflowTable(options.pipeline, action.next);
      out.push(ct(zoneOf(options, action.zone), { commit: true, table, actions: [APPLY_NAT] }));
      break;
    }
    case "ct_nat":
      out.push(natAction(action, options));
      break;
    case "ct_lb":
      encodeLoadBalancer(action, options, out);
      break;
  }
}

function natAction({ name, address, ports, next }: LogicalActionOf<"ct_nat">, options: EncodeOptions): Action {
  // the common zone is that of DNAT
  const zone = natZone(name === "ct_snat" ? "snat" : "dnat");
  const table = openflowTable(options.pipeline, next);
  if (address === undefined) return ct(zone, { commit: false, table, actions: [APPLY_NAT] });
  const direction = name.startsWith("ct_snat") ? "src" : "dst";
  const range = ports === undefined ? undefined : { min: ports.low, max: ports.high ?? ports.low };
  return ct(zone, { commit: true, table, actions: [nat(direction, address, range, ports?.high !== undefined)] });
}

/** Bits of ct_mark (ct_label for ct_lb) that say how a connection was translated. */
const NATTED = 0x2n;
const FLAG_BITS = { skip_snat: 0x4n, force_snat: 0x8n } as const;

function encodeLoadBalancer(action: LogicalActionOf<"ct_lb">, options: EncodeOptions, out: Action[]): void {
  const table = openflowTable(options.pipeline, action.next);
  const zone = zoneOf(options, "dnat");
  if (action.backends === undefined) {
    out.push(ct(zone, { commit: false, table, actions: [APPLY_NAT] }));
    return;
  }
  const backends =
    action.name === "ct_lb_mark_local"
      ? action.backends.filter(({ logicalPort }) => logicalPort !== undefined && options.isLocal?.(logicalPort) === true)
      : action.backends;
  if (backends.length === 0) return;
  const mark = field(action.name === "ct_lb" ? "ct_label" : "ct_mark");
  const set = (bits: bigint): Action => ({ type: "set_field", field: mark, value: bits, mask: bits });
  const marks = [set(NATTED), ...(action.flag === undefined ? [] : [set(FLAG_BITS[action.flag])])];
  const buckets = backends.map(({ ip, port }, i) => {
    const range = port === 0 ? undefined : { min: port, max: port };
    return bucket(i, [ct(zone, { commit: true, table, actions: [nat("dst", ip, range), ...marks] })], 100);
  });
  out.push({ type: "group", group: groupOf({ selection: selectionOf(action.hashFields), buckets }, options, action.name) });
}

/** Number of a group; throws "logical.unsupported" where the caller gave no allocator. */
export function groupOf(request: GroupRequest, options: EncodeOptions, action: string): number {
  if (options.group === undefined) {
    throw new LogicalError("logical.unsupported", `${action} needs OpenFlow groups, which are not provided here.`, action, 0);
  }
  return options.group(request);
}

/** The hash that select asks the datapath for: algorithm 1, in the upper half of the parameter. */
const SELECT_HASH = 1n << 32n;

export function encodeSelect(action: LogicalActionOf<"select">, options: EncodeOptions, out: Action[]): void {
  const to = subfieldOf(action.dst);
  const next = resubmit(openflowTable(options.pipeline, action.next));
  const buckets = action.values.map(({ value, weight }, i) => bucket(i, [setBits(to, BigInt(value)), next], weight));
  const selection = selectionOf(action.hashFields, SELECT_HASH);
  out.push({ type: "group", group: groupOf({ selection, buckets }, options, "select") });
}
