/** Codec rows of the session: hello, errors, features, configuration, roles, bundles, Nicira's settings. */
import type {
  AsyncConfig,
  BareRequest,
  BundleControlType,
  Envelope,
  ErrorMessage,
  FeaturesReply,
  FragmentHandling,
  MessageOf,
  OfVersion,
  Role,
  SwitchConfig,
} from "../message/types.ts";
import type { ByteReader } from "./bytes.ts";
import {
  type DecodeState,
  type EncodeState,
  multipart,
  nicira,
  niciraStats,
  onf,
  type Row,
  row,
  standard,
  type Where,
} from "./codecRow.ts";
import { EncodeError, errorCode, errorName } from "./error.ts";
import { readPort, writePort } from "./ports.ts";

const VERSION_BITMAP = 1;
const ERROR_VENDOR_10 = 0xb0c2;
const ERROR_EXPERIMENTER = 0xffff;

function encodeHello({ versions }: MessageOf<"hello">, { out, version }: EncodeState): void {
  // A bare hello says "everything up to the header's version".
  if (versions === (2 << version) - 2) return;
  out.u16(VERSION_BITMAP).u16(8).u32(versions);
}

function decodeHello({ input, version }: DecodeState): MessageOf<"hello"> {
  let versions = (2 << version) - 2;
  while (input.left >= 4) {
    const start = input.at;
    const type = input.u16();
    const length = input.u16();
    if (length < 4 || start + length > input.end) break;
    if (type === VERSION_BITMAP && length >= 8) versions = input.u32() & 0x7e;
    input.at = Math.min(input.end, start + Math.ceil(length / 8) * 8);
  }
  input.at = input.end; // Hello elements that we do not know, or malformed ones, are to be ignored.
  return { type: "hello", versions };
}

function encodeError(m: ErrorMessage, { out, version }: EncodeState): void {
  const known = m.error === undefined ? undefined : errorCode(m.error, version);
  if (m.error !== undefined && known === undefined) throw new EncodeError(`OpenFlow version ${version} has no error ${m.error}`);
  const { vendor, type, code } = known ?? { vendor: m.vendor, type: m.errorType, code: m.code };
  if (vendor === 0) out.u16(type).u16(code);
  else if (version < 3) out.u16(ERROR_VENDOR_10).u16(0).u32(vendor).u16(type).u16(code);
  else out.u16(ERROR_EXPERIMENTER).u16(type).u32(vendor);
  out.raw(m.data);
}

function decodeError({ input, version }: DecodeState): ErrorMessage {
  let errorType = input.u16();
  let code = input.u16();
  let vendor = 0;
  if (version < 3 && errorType === ERROR_VENDOR_10 && code === 0) {
    vendor = input.u32();
    errorType = input.u16();
    code = input.u16();
  } else if (version >= 3 && errorType === ERROR_EXPERIMENTER) {
    errorType = code;
    code = 0;
    vendor = input.u32();
  }
  return {
    type: "error",
    error: errorName(version, vendor, errorType, code),
    errorType,
    code,
    vendor,
    data: input.take(input.left),
  };
}

function encodeFeatures(m: FeaturesReply, { out, version }: EncodeState): void {
  out
    .u64(m.datapathId)
    .u32(m.buffers)
    .u8(m.tables)
    .u8(version >= 4 ? m.auxiliaryId : 0)
    .zeros(2)
    .u32(m.capabilities);
  out.u32(version === 1 ? m.actions : 0);
  if (version < 4) for (const port of m.ports) writePort(out, port, version);
}

function decodeFeatures({ input, version }: DecodeState): FeaturesReply {
  const datapathId = input.u64();
  const buffers = input.u32();
  const tables = input.u8();
  const auxiliaryId = input.u8();
  input.skip(2);
  const capabilities = input.u32();
  const actions = input.u32();
  const ports = [];
  while (version < 4 && input.left > 0) ports.push(readPort(input, version));
  return { type: "features_reply", datapathId, buffers, tables, auxiliaryId, capabilities, actions, ports };
}

const FRAGMENTS: readonly FragmentHandling[] = ["normal", "drop", "reassemble", "nx-match"];

function encodeConfig(m: SwitchConfig, { out, version }: EncodeState): void {
  out.u16(FRAGMENTS.indexOf(m.fragments) | (m.invalidTtlToController && version < 4 ? 4 : 0)).u16(m.missSendLength);
}

function configRow(type: SwitchConfig["type"], number: number): Row {
  const decodeConfig = ({ input, version }: DecodeState): SwitchConfig => {
    const flags = input.u16();
    return {
      type,
      fragments: FRAGMENTS[flags & 3]!,
      invalidTtlToController: version < 4 && (flags & 4) !== 0,
      missSendLength: input.u16(),
    };
  };
  return row(type, [standard(number)], encodeConfig, decodeConfig);
}

const ROLES_NX: readonly Role[] = ["equal", "master", "slave"];
const ROLES: readonly Role[] = ["nochange", "equal", "master", "slave"];

function roleRow(type: "role_request" | "role_reply", nx: number, number: number): Row {
  return row(
    type,
    [nicira(nx, 1, 2), standard(number, 3)],
    (m, { out, version }) => {
      if (version < 3) {
        const role = ROLES_NX.indexOf(m.role);
        if (role < 0) throw new EncodeError(`OpenFlow version ${version} has no role ${m.role}`);
        out.u32(role);
      } else
        out
          .u32(ROLES.indexOf(m.role))
          .zeros(4)
          .u64(m.generation ?? 0xffffffffffffffffn);
    },
    ({ input, version }) => {
      const number = input.u32();
      const role = version < 3 ? ROLES_NX[number] : ROLES[number];
      if (role === undefined) throw input.fail("OFPRRFC_BAD_ROLE", `role ${number}`);
      if (version < 3) return { type, role, generation: undefined };
      input.skip(4);
      const generation = input.u64();
      return { type, role, generation: generation === 0xffffffffffffffffn ? undefined : generation };
    },
  );
}

const ROLE_STATUS_REASONS = ["master_request", "config", "experimenter"] as const;

const ASYNC_ORDER = ["packetIn", "portStatus", "flowRemoved", "roleStatus", "tableStatus", "requestForward"] as const;
/** The bits that have a meaning, by the same order. */
const ASYNC_BITS = [0x3f, 0x07, 0x3f, 0x07, 0x18, 0x03] as const;
/** Those of packet-ins before OpenFlow 1.4. */
const PACKET_IN_BITS_13 = 0x07;
const ASYNC_EXPERIMENTER = 0xfffe;

/** OpenFlow 1.4's asynchronous configuration: a property for each kind and role that something is said of, slave first. */
function encodeAsync(config: AsyncConfig, { out, version }: EncodeState): void {
  if (version < 5) {
    for (const kind of ASYNC_ORDER.slice(0, 3)) out.u32(config[kind][0] ?? 0).u32(config[kind][1] ?? 0);
    return;
  }
  ASYNC_ORDER.forEach((kind, i) => {
    const [master, slave] = config[kind];
    for (const [type, mask] of [
      [2 * i, slave],
      [2 * i + 1, master],
    ] as const)
      if (mask !== undefined) out.u16(type).u16(8).u32(mask);
  });
}

type Masks = [number | undefined, number | undefined];

function decodeAsync(input: ByteReader, version: number, propertied: boolean): AsyncConfig {
  const nothing = (): Masks => [undefined, undefined];
  const config: Record<(typeof ASYNC_ORDER)[number], Masks> = {
    packetIn: nothing(),
    portStatus: nothing(),
    flowRemoved: nothing(),
    roleStatus: nothing(),
    tableStatus: nothing(),
    requestForward: nothing(),
  };
  if (version < 5 && !propertied) {
    // Bits without a meaning are passed over here, and refused in properties.
    ASYNC_ORDER.slice(0, 3).forEach((kind, i) => {
      const bits = i === 0 ? PACKET_IN_BITS_13 : ASYNC_BITS[i]!;
      config[kind] = [input.u32() & bits, input.u32() & bits];
    });
    return config;
  }
  while (input.left > 0) {
    const type = input.u16();
    const length = input.u16();
    if (length < 4) throw input.fail("OFPBRC_BAD_LEN", `asynchronous configuration, property of ${length} bytes`);
    if (type >= ASYNC_EXPERIMENTER) throw input.fail("OFPBPC_BAD_EXP_TYPE", `asynchronous configuration, property ${type}`);
    const kind = ASYNC_ORDER[type >> 1];
    if (kind === undefined) throw input.fail("OFPACFC_UNSUPPORTED", `property ${type}`);
    if (length !== 8) throw input.fail("OFPBPC_BAD_LEN", "asynchronous configuration");
    const mask = input.u32();
    if ((mask & ~ASYNC_BITS[type >> 1]!) !== 0) throw input.fail("OFPACFC_INVALID", `property ${type}: 0x${mask.toString(16)}`);
    config[kind][(type & 1) === 0 ? 1 : 0] = mask;
  }
  return config;
}

const BUNDLE_CONTROLS: readonly BundleControlType[] = [
  "open_request",
  "open_reply",
  "close_request",
  "close_reply",
  "commit_request",
  "commit_reply",
  "discard_request",
  "discard_reply",
];

const BUNDLE_CONTROL_WHERE = [onf(2300), standard(33, 5)];
const BUNDLE_ADD_WHERE = [onf(2301), standard(34, 5)];

/** Reads a message within another; its length comes from its own header. */
function readEnvelope({ input, inner }: DecodeState): Envelope {
  input.need(8);
  const length = input.peek16(2);
  if (length < 8) throw input.fail("OFPBRC_BAD_LEN", "inner message");
  return inner(input.take(length));
}

function bareRow(type: BareRequest, where: readonly Where[]): Row {
  return row(
    type,
    where,
    () => undefined,
    () => ({ type }),
  );
}

const BARE: readonly (readonly [BareRequest, readonly Where[]])[] = [
  ["features_request", [standard(5)]],
  ["get_config_request", [standard(7)]],
  ["barrier_request", [standard(18, 1, 1), standard(20, 2)]],
  ["barrier_reply", [standard(19, 1, 1), standard(21, 2)]],
  ["get_async_request", [standard(26, 4)]],
  ["desc_request", [multipart("request", 0)]],
  ["table_stats_request", [multipart("request", 3)]],
  ["group_features_request", [niciraStats("nx-request", 9, 1, 2), multipart("request", 8, 3)]],
  ["meter_features_request", [multipart("request", 11, 4)]],
  ["table_desc_request", [multipart("request", 14, 5)]],
  ["tlv_table_request", [nicira(25)]],
  ["flow_monitor_paused", [nicira(22, 1, 3), onf(1871)]],
  ["flow_monitor_resumed", [nicira(23, 1, 3), onf(1872)]],
  ["ipfix_bridge_stats_request", [niciraStats("nx-request", 3)]],
  ["ipfix_flow_stats_request", [niciraStats("nx-request", 4)]],
];

const PACKET_IN_FORMATS = ["standard", "nxt_packet_in", "nxt_packet_in2"] as const;

function echoRow(type: "echo_request" | "echo_reply", number: number): Row {
  return row(
    type,
    [standard(number)],
    (m, { out }) => {
      out.raw(m.data);
    },
    ({ input }) => ({ type, data: input.take(input.left) }),
  );
}

function asyncRow(type: "get_async_reply" | "set_async", where: readonly Where[]): Row {
  return row(
    type,
    where,
    (m, state) => encodeAsync(m.config, state),
    ({ input, version, where: found }) => ({
      type,
      config: decodeAsync(input, version, found.place === "nx" && found.number === 27),
    }),
  );
}

export const CORE_ROWS: readonly Row[] = [
  row("hello", [standard(0)], encodeHello, decodeHello),
  row("error", [standard(1)], encodeError, decodeError),
  echoRow("echo_request", 2),
  echoRow("echo_reply", 3),
  ...BARE.map(([type, where]) => bareRow(type, where)),
  row("features_reply", [standard(6)], encodeFeatures, decodeFeatures),
  configRow("get_config_reply", 8),
  configRow("set_config", 9),
  roleRow("role_request", 10, 24),
  roleRow("role_reply", 11, 25),
  row(
    "role_status",
    [onf(1911), standard(30, 5)],
    (m, { out }) => {
      out.u32(ROLES.indexOf(m.role)).u8(ROLE_STATUS_REASONS.indexOf(m.reason)).zeros(3).u64(m.generation);
    },
    ({ input }) => {
      const role = ROLES[input.u32()];
      const reason = ROLE_STATUS_REASONS[input.u8()];
      if (role === undefined || reason === undefined) throw input.fail("OFPRRFC_BAD_ROLE");
      input.skip(3);
      return { type: "role_status", role, reason, generation: input.u64() };
    },
  ),
  asyncRow("get_async_reply", [standard(27, 4)]),
  asyncRow("set_async", [nicira(19, 1, 3), standard(28, 4), nicira(27)]),
  row(
    "bundle_control",
    BUNDLE_CONTROL_WHERE,
    (m, { out }) => {
      out.u32(m.bundle).u16(BUNDLE_CONTROLS.indexOf(m.control)).u16(m.flags);
    },
    ({ input }) => {
      const bundle = input.u32();
      const number = input.u16();
      const control = BUNDLE_CONTROLS[number];
      if (control === undefined) throw input.fail("OFPBFC_BAD_TYPE", `bundle control ${number}`);
      return { type: "bundle_control", bundle, control, flags: input.u16() };
    },
  ),
  row(
    "bundle_add",
    BUNDLE_ADD_WHERE,
    (m, { out, version, xid, inner }) => {
      // What is added has the version and transaction id of the message that adds it.
      out.u32(m.bundle).zeros(2).u16(m.flags);
      inner({ message: m.message.message, version: version as OfVersion, xid }); // A row is encoded for versions 1 to 6 only.
    },
    (state) => {
      const { input, version, xid } = state;
      const bundle = input.u32();
      input.skip(2);
      const flags = input.u16();
      const message = readEnvelope(state);
      if (message.version !== version) throw input.fail("OFPBFC_MSG_BAD_VERSION");
      if (message.xid !== xid) throw input.fail("OFPBFC_MSG_BAD_XID");
      input.at = input.end; // Properties may follow; none is defined.
      return { type: "bundle_add", bundle, flags, message };
    },
  ),
  row(
    "requestforward",
    [onf(2350), standard(32, 5)],
    (m, { inner }) => inner(m.request),
    (state) => {
      const request = readEnvelope(state);
      return { type: "requestforward", reason: request.message.type === "meter_mod" ? "meter_mod" : "group_mod", request };
    },
  ),
  row(
    "set_flow_format",
    [nicira(12, 1, 1)],
    (m, { out }) => {
      out.u32(m.format === "nxm" ? 2 : 0);
    },
    ({ input }) => {
      const format = input.u32();
      if (format !== 0 && format !== 2) throw input.fail("OFPBRC_EPERM", `flow format ${format}`);
      return { type: "set_flow_format", format: format === 2 ? "nxm" : "openflow10" };
    },
  ),
  row(
    "flow_mod_table_id",
    [nicira(15, 1, 1)],
    (m, { out }) => {
      out.u8(m.on ? 1 : 0).zeros(7);
    },
    ({ input }) => {
      const on = input.u8();
      if (on > 1) throw input.fail("OFPBRC_EPERM", `flow_mod_table_id ${on}`);
      input.skip(7);
      return { type: "flow_mod_table_id", on: on === 1 };
    },
  ),
  row(
    "set_packet_in_format",
    [nicira(16)],
    (m, { out }) => {
      out.u32(PACKET_IN_FORMATS.indexOf(m.format));
    },
    ({ input }) => {
      const number = input.u32();
      const format = PACKET_IN_FORMATS[number];
      if (format === undefined) throw input.fail("OFPBRC_EPERM", `packet-in format ${number}`);
      return { type: "set_packet_in_format", format };
    },
  ),
  row(
    "set_controller_id",
    [nicira(20)],
    (m, { out }) => {
      out.zeros(6).u16(m.id);
    },
    ({ input }) => {
      input.skip(6);
      return { type: "set_controller_id", id: input.u16() };
    },
  ),
  row(
    "flow_age",
    [nicira(18, 1, 1)],
    () => undefined,
    () => ({ type: "flow_age" }),
  ),
  row(
    "flow_monitor_cancel",
    [nicira(21, 1, 3), onf(1870)],
    (m, { out }) => {
      out.u32(m.id);
    },
    ({ input }) => ({ type: "flow_monitor_cancel", id: input.u32() }),
  ),
  row(
    "ct_flush_zone",
    [nicira(29)],
    (m, { out }) => {
      out.zeros(6).u16(m.zone);
    },
    ({ input }) => {
      input.zeros(6, "NXBRC_MUST_BE_ZERO");
      return { type: "ct_flush_zone", zone: input.u16() };
    },
  ),
];
