/** Ports, queues and their statistics as ovs-ofctl prints them. */
import type { PortDescription, PortStats, QueueConfig, QueueStats } from "../message/config.ts";
import { PORT_STATE } from "../message/config.ts";
import type { MessageOf } from "../message/types.ts";
import { OFPP } from "../ports.ts";
import { formatCounter, formatDuration } from "../text/flow.ts";
import { formatPort, type Names } from "../text/names.ts";
import { formatMacNumber } from "../text/value.ts";

const CONFIG = ["PORT_DOWN", "NO_STP", "NO_RECV", "NO_RECV_STP", "NO_FLOOD", "NO_FWD", "NO_PACKET_IN"];
const STATE = ["LINK_DOWN", "BLOCKED", "LIVE"];
const FEATURES = [
  "10MB-HD",
  "10MB-FD",
  "100MB-HD",
  "100MB-FD",
  "1GB-HD",
  "1GB-FD",
  "10GB-FD",
  "40GB-FD",
  "100GB-FD",
  "1TB-FD",
  "OTHER",
  "COPPER",
  "FIBER",
  "AUTO_NEG",
  "AUTO_PAUSE",
  "AUTO_PAUSE_ASYM",
];

/** Names of set bits; unknown ones in hexadecimal; "0" for none. */
export function bitNames(bits: number, names: readonly (string | undefined)[], separator = " "): string {
  if (bits === 0) return "0";
  const parts: string[] = [];
  let rest = bits;
  names.forEach((name, i) => {
    if (name !== undefined && (rest & (1 << i)) !== 0) {
      parts.push(name);
      rest &= ~(1 << i);
    }
  });
  if (rest !== 0) parts.push(`0x${(rest >>> 0).toString(16)}`);
  return parts.join(separator);
}

function formatState(state: number): string {
  const stp = state & PORT_STATE.STP_MASK;
  const name =
    stp === PORT_STATE.STP_LEARN
      ? "STP_LEARN"
      : stp === PORT_STATE.STP_FORWARD
        ? "STP_FORWARD"
        : stp === PORT_STATE.STP_BLOCK
          ? "STP_BLOCK"
          : "";
  const rest = state & ~PORT_STATE.STP_MASK;
  return name !== "" && rest === 0 ? name : name + bitNames(rest, STATE);
}

/** Everything of a port after its number; ends with a newline. */
export function formatPortDescription(port: PortDescription, names: Names): string {
  let text = `${formatPort(port.port, names)}(${port.name}): addr:${formatMacNumber(port.mac)}\n`;
  if (names.portName(port.port) !== undefined && port.port < OFPP.MAX)
    text = `${port.port}(${port.name}): addr:${formatMacNumber(port.mac)}\n`;
  text += `     config:     ${bitNames(port.config, CONFIG)}\n     state:      ${formatState(port.state)}\n`;
  if (port.current !== 0) text += `     current:    ${bitNames(port.current, FEATURES)}\n`;
  if (port.advertised !== 0) text += `     advertised: ${bitNames(port.advertised, FEATURES)}\n`;
  if (port.supported !== 0) text += `     supported:  ${bitNames(port.supported, FEATURES)}\n`;
  if (port.peer !== 0) text += `     peer:       ${bitNames(port.peer, FEATURES)}\n`;
  return `${text}     speed: ${Math.floor(port.currentSpeed / 1000)} Mbps now, ${Math.floor(port.maxSpeed / 1000)} Mbps max\n`;
}

/** Ports by number, LOCAL last. */
export function formatPorts(ports: readonly PortDescription[], names: Names): string {
  return [...ports]
    .sort((a, b) => a.port - b.port)
    .map((port) => ` ${formatPortDescription(port, names)}`)
    .join("");
}

export function formatPortMod(m: MessageOf<"port_mod">, names: Names): string {
  return (
    ` port: ${formatPort(m.port, names)}: addr:${formatMacNumber(m.mac)}\n` +
    `     config: ${bitNames(m.config, CONFIG)}\n     mask:   ${bitNames(m.mask, CONFIG)}\n` +
    `     advertise: ${m.advertise === 0 ? "UNCHANGED" : bitNames(m.advertise, FEATURES)}\n`
  );
}

function formatOnePort(s: PortStats, names: Names): string {
  const c = s.counters;
  const n = formatCounter;
  // Numbers are right-aligned in two columns; names and reserved ports are as wide as they are.
  const port = formatPort(s.port, names);
  let text =
    `  port ${/^\d+$/.test(port) ? port.padStart(2) : port}: rx pkts=${n(c.rxPackets)}, bytes=${n(c.rxBytes)}, drop=${n(c.rxDropped)}, ` +
    `errs=${n(c.rxErrors)}, frame=${n(c.rxFrameErrors)}, over=${n(c.rxOverErrors)}, crc=${n(c.rxCrcErrors)}\n` +
    `           tx pkts=${n(c.txPackets)}, bytes=${n(c.txBytes)}, drop=${n(c.txDropped)}, errs=${n(c.txErrors)}, coll=${n(c.collisions)}\n`;
  if (s.durationSec !== undefined) text += `           duration=${formatDuration(s.durationSec, s.durationNsec)}\n`;
  if (s.custom.length > 0) {
    text += "           CUSTOM Statistics";
    s.custom.forEach(({ name, value }, i) => {
      if (i % 3 === 0) text += "\n                      ";
      text += `${name}=${value}, `;
    });
    text = `${text.replace(/, $/, ",")}\n`.replaceAll(", \n", ",\n");
  }
  return text;
}

/** Only their number without verbosity. */
export function formatPortStats(ports: readonly PortStats[], names: Names, verbosity: number): string {
  if (verbosity < 1) return ` ${ports.length} ports\n`;
  return ` ${ports.length} ports\n${ports.map((s) => formatOnePort(s, names)).join("")}`;
}

export function formatQueueStats(queues: readonly QueueStats[], names: Names, verbosity: number): string {
  let text = ` ${queues.length} queues\n`;
  if (verbosity < 1) return text;
  for (const q of queues) {
    const duration = q.durationSec === undefined ? "?" : formatDuration(q.durationSec, q.durationNsec);
    text += `  port ${formatPort(q.port, names)} queue ${q.queue}: bytes=${formatCounter(q.txBytes)}, pkts=${formatCounter(q.txPackets)}, errors=${formatCounter(q.txErrors)}, duration=${duration}\n`;
  }
  return text;
}

function rate(name: string, value: number | undefined): string {
  return value === undefined ? "" : ` ${name}:${Math.floor(value / 10)}.${value % 10}%`;
}

/** A reply names the port once for each run of queues on it. */
export function formatQueueConfig(queues: readonly QueueConfig[], port: number | undefined, names: Names): string {
  let text = "";
  let last: number | undefined;
  const byPort = port === undefined ? [...queues].sort((a, b) => a.port - b.port || a.queue - b.queue) : queues;
  if (port !== undefined && queues.length > 0) text = ` port=${formatPort(port, names)}\n`;
  for (const q of byPort) {
    if (port === undefined && q.port !== last) {
      text += text === "" ? ` port=${formatPort(q.port, names)}\n` : `port=${formatPort(q.port, names)}\n`;
      last = q.port;
    }
    text += `queue ${q.queue}:${rate("min_rate", q.minRate)}${rate("max_rate", q.maxRate)}\n`;
  }
  return text === "" ? "\n" : text;
}
