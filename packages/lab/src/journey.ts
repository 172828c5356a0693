/** The way of one packet through a lab, told from captures on every device of every machine. */
import {
  decode,
  find,
  formatIpv4,
  formatIpv6,
  formatMac,
  type Header,
  headers,
  innerLayers,
  type Layer,
  ovnPorts,
} from "@weft/packet";
import type { Lab } from "./lab.ts";
import type { Device, Direction } from "./machine/device.ts";

/** One sighting of a packet. */
export interface Sighting {
  /** Ms, on the lab's clock. */
  readonly time: number;
  readonly node: string;
  /** Network namespace; "" for the machine's own. */
  readonly namespace: string;
  readonly device: string;
  readonly direction: Direction;
  readonly layers: readonly Layer[];
}

/** An echo request or reply, by what stays the same on its way. */
export interface EchoId {
  readonly kind: "request" | "reply";
  readonly id: number;
  readonly sequence: number;
}

const requestTypes = [8, 128];
const replyTypes = [0, 129];

/** The echo that a packet carries, in a tunnel or not; not one that an ICMP error quotes. */
export function echoOf(layers: readonly Layer[]): EchoId | undefined {
  const icmp = find(layers, "icmp", -1) ?? find(layers, "icmpv6", -1);
  if (!icmp) return undefined;
  const kind = requestTypes.includes(icmp.type) ? "request" : replyTypes.includes(icmp.type) ? "reply" : undefined;
  const rest = icmp.rest ?? 0;
  return kind && { kind, id: rest >>> 16, sequence: rest & 0xffff };
}

/** Records every echo on every device until stopped. */
export class EchoRecorder {
  readonly #sightings: Sighting[] = [];
  readonly #taps: { readonly device: Device; readonly tap: (frame: Uint8Array, direction: Direction) => void }[] = [];

  constructor(lab: Lab) {
    const { clock } = lab.runtime;
    for (const { name: node, machine } of lab.nodes.values()) {
      for (const namespace of [machine.root, ...machine.namespaces.values()]) {
        for (const device of namespace.sortedDevices) {
          const tap = (frame: Uint8Array, direction: Direction) => {
            const layers = decode(frame.slice());
            if (echoOf(layers))
              this.#sightings.push({
                time: clock.now(),
                node,
                namespace: namespace.name,
                device: device.name,
                direction,
                layers,
              });
          };
          device.taps.add(tap);
          this.#taps.push({ device, tap });
        }
      }
    }
  }

  stop(): void {
    for (const { device, tap } of this.#taps.splice(0)) device.taps.delete(tap);
  }

  /** The sightings of the first echo request, and of its reply, each in the order of time. */
  first(): { readonly request: readonly Sighting[]; readonly reply: readonly Sighting[] } {
    const first = this.#sightings.map(({ layers }) => echoOf(layers)).find((echo) => echo?.kind === "request");
    const of = (kind: EchoId["kind"]) =>
      this.#sightings.filter(({ layers }) => {
        const echo = echoOf(layers);
        return first !== undefined && echo?.kind === kind && echo.id === first.id && echo.sequence === first.sequence;
      });
    return { request: of("request"), reply: of("reply") };
  }
}

/** A logical datapath and its ports as the southbound database knows them by their tunnel keys. */
export interface TunnelNames {
  datapath(key: number): string | undefined;
  port(datapath: number, key: number): string | undefined;
}

/** Reads the names behind tunnel keys with ovn-sbctl on a machine of the lab. */
export async function tunnelNames(lab: Lab, node: string): Promise<TunnelNames> {
  const rows = async (table: string, columns: string): Promise<string[][]> => {
    const { code, stdout, stderr } = await lab.output(node, [
      "ovn-sbctl",
      "--format=csv",
      "--no-headings",
      "--data=bare",
      `--columns=${columns}`,
      "list",
      table,
    ]);
    if (code !== 0) throw new Error(`ovn-sbctl list ${table}: ${stderr}`);
    return stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.split(",").map((cell) => cell.replace(/^"|"$/g, "")));
  };
  const datapaths = new Map<string, { key: number; name: string }>();
  for (const [uuid = "", key = "", ids = ""] of await rows("Datapath_Binding", "_uuid,tunnel_key,external_ids")) {
    datapaths.set(uuid, { key: Number(key), name: /(?:^|\s)name=(\S+)/.exec(ids)?.[1] ?? uuid });
  }
  const ports = new Map<string, string>();
  for (const [datapath = "", key = "", name = ""] of await rows("Port_Binding", "datapath,tunnel_key,logical_port")) {
    ports.set(`${datapaths.get(datapath)?.key}:${key}`, name);
  }
  return {
    datapath: (key) => [...datapaths.values()].find((datapath) => datapath.key === key)?.name,
    port: (datapath, key) => ports.get(`${datapath}:${key}`),
  };
}

function addressesOf(layers: readonly Layer[]): string {
  const ip4 = find(layers, "ipv4");
  if (ip4) return `${formatIpv4(ip4.src)} > ${formatIpv4(ip4.dst)}, ttl ${ip4.ttl}`;
  const ip6 = find(layers, "ipv6");
  return ip6 ? `${formatIpv6(ip6.src)} > ${formatIpv6(ip6.dst)}, hop limit ${ip6.hopLimit}` : "";
}

/** What a sighting shows: the packet's addresses, its VLAN tag or its tunnel. */
export function describeSighting({ layers }: Sighting, names: TunnelNames): string[] {
  const inner = innerLayers(layers);
  const packet = inner.length > 0 ? inner : layers;
  const ethernet = find(packet, "ethernet");
  const lines: string[] = [];
  const geneve = headers(layers).find((header): header is Extract<Header, { kind: "geneve" }> => header.kind === "geneve");
  if (geneve) {
    const outer = find(layers, "ipv4") ?? find(layers, "ipv6");
    const ends =
      outer?.kind === "ipv4"
        ? `${formatIpv4(outer.src)} > ${formatIpv4(outer.dst)}`
        : outer
          ? `${formatIpv6(outer.src)} > ${formatIpv6(outer.dst)}`
          : "";
    const ports = ovnPorts(geneve);
    const named = (key: number) => `${key} (${names.port(geneve.vni, key) ?? "?"})`;
    lines.push(
      `Geneve ${ends}: datapath ${geneve.vni} (${names.datapath(geneve.vni) ?? "?"})${ports ? `, ingress port ${named(ports.ingress)}, egress port ${named(ports.egress)}` : ""}`,
    );
  }
  const vlan = find(packet, "vlan");
  lines.push(
    `${ethernet ? `${formatMac(ethernet.src)} > ${formatMac(ethernet.dst)}` : ""}${vlan ? `, VLAN ${vlan.id}` : ""}, ${addressesOf(packet)}`,
  );
  return lines;
}
