/** Packets of one port as they pass the devices of a lab, and why those that come no further do not. */
import { decode, find, formatIpv4, formatIpv6, formatMac, innerLayers, type Layer, ovnPorts } from "@weft/packet";
import type { Clock } from "@weft/runtime";
import type { TappedFrame } from "../cloud/places.ts";
import type { Endpoint } from "../walk/endpoint.ts";
import { packetText } from "../walk/walk.ts";

/** Ms after which a packet that has not been seen again is taken for lost. */
const PATIENCE = 50;

export interface Watcher {
  tapped(frame: TappedFrame): void;
  stop(): void;
}

export interface WatchOptions {
  readonly clock: Clock;
  readonly port: Endpoint;
  /** One line, without its newline. */
  say(line: string): void;
  /** Why a frame that entered by a device came no further; undefined: it is not known. */
  why(node: string, device: string, frame: Uint8Array): Promise<string | undefined>;
}

/** Tells every sighting of a packet that is from or to the port's addresses, in a tunnel or not. */
export function watchSightings({ clock, port, say, why }: WatchOptions): Watcher {
  const own = new Set([port.mac, port.ipv4, port.ipv6].filter((address) => address !== undefined));
  const waiting = new Map<string, () => void>();
  const entry = port.attachments[0];
  return {
    tapped(tapped) {
      const layers = decode(tapped.frame);
      const packet = innerOf(layers);
      if (!addressesOf(packet).some((address) => own.has(address))) return;
      say(
        `${timeText(tapped.time)} ${placeText(tapped)} ${tapped.direction === "out" ? ">" : "<"} ${describe(tapped.frame, layers)}`,
      );
      const key = identityOf(packet);
      // Seen elsewhere: it goes on.
      waiting.get(key)?.();
      waiting.delete(key);
      if (entry === undefined || tapped.node !== entry.node.name || tapped.device !== entry.device || tapped.direction !== "out")
        return;
      const frame = tapped.frame.slice();
      const timer = clock.after(PATIENCE, () => {
        waiting.delete(key);
        why(tapped.node, entry.device, frame).then(
          (reason) => {
            if (reason !== undefined) say(`${timeText(tapped.time)} ${tapped.node} DROPPED ${packetText(frame)}: ${reason}`);
          },
          (error: unknown) => say(`${tapped.node}: cannot say why: ${error instanceof Error ? error.message : String(error)}`),
        );
      });
      waiting.set(key, () => timer.cancel());
    },
    stop() {
      for (const cancel of waiting.values()) cancel();
      waiting.clear();
    },
  };
}

function innerOf(layers: readonly Layer[]): readonly Layer[] {
  const inner = innerLayers(layers);
  return inner.length > 0 ? inner : layers;
}

function addressesOf(packet: readonly Layer[]): string[] {
  const ethernet = find(packet, "ethernet");
  const v4 = find(packet, "ipv4");
  const v6 = find(packet, "ipv6");
  const arp = find(packet, "arp");
  return [
    ...(ethernet === undefined ? [] : [formatMac(ethernet.src), formatMac(ethernet.dst)]),
    ...(v4 === undefined ? [] : [formatIpv4(v4.src), formatIpv4(v4.dst)]),
    ...(v6 === undefined ? [] : [formatIpv6(v6.src), formatIpv6(v6.dst)]),
    ...(arp === undefined ? [] : [formatIpv4(arp.senderIp), formatIpv4(arp.targetIp)]),
  ];
}

/** What stays the same while switches and routers forward a packet: everything behind the network header. */
function identityOf(packet: readonly Layer[]): string {
  const names = packet.map(({ header }) => header).filter(({ kind }) => !["ethernet", "vlan", "ipv4", "ipv6"].includes(kind));
  const v4 = find(packet, "ipv4");
  return `${v4?.id ?? ""} ${JSON.stringify(names, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value))}`;
}

const pad = (value: number, width: number): string => String(value).padStart(width, "0");

function timeText(ms: number): string {
  const date = new Date(ms);
  return `${pad(date.getUTCHours(), 2)}:${pad(date.getUTCMinutes(), 2)}:${pad(date.getUTCSeconds(), 2)}.${pad(date.getUTCMilliseconds(), 3)}`;
}

function placeText({ node, namespace, device }: TappedFrame): string {
  return `${node}${namespace === "" ? "" : ` ${namespace}`} ${device}`;
}

/** The packet, and the tunnel that it is in. */
function describe(frame: Uint8Array, layers: readonly Layer[]): string {
  const geneve = find(layers, "geneve");
  const outer = find(layers, "ipv4") ?? find(layers, "ipv6");
  if (geneve === undefined || outer === undefined) return packetText(frame);
  const ports = ovnPorts(geneve);
  const ends =
    outer.kind === "ipv4" ? [formatIpv4(outer.src), formatIpv4(outer.dst)] : [formatIpv6(outer.src), formatIpv6(outer.dst)];
  const within = innerLayers(layers)[0];
  const keys = ports === undefined ? "" : ` ports ${ports.ingress} to ${ports.egress}`;
  const inner = within === undefined ? "" : `: ${packetText(frame.subarray(within.start))}`;
  return `Geneve ${ends.join(" > ")} datapath ${geneve.vni}${keys}${inner}`;
}
