/** Who answers when the cloud asks for a neighbour: guests at their devices, and machines on physical networks that are known. */
import { decode, emit, find, formatIpv4, formatIpv6, type Header, linkLocalOfMac, parseIpv6, parseMac } from "@weft/packet";
import type { Cloud, Hypervisor } from "../cloud/cloud.ts";
import { portInterfaces } from "../verify/ports.ts";

interface Resident {
  readonly mac: string;
  readonly ips: ReadonlySet<string>;
}

export class Residents {
  readonly #guests = new Map<Hypervisor, ReadonlyMap<string, readonly Resident[]>>();
  readonly #hosts: readonly Resident[];

  constructor({ sb, hypervisors, hosts }: Cloud) {
    const byPort = new Map<string, Resident[]>();
    const own = new Set<string>();
    for (const { logical_port, parent_port, mac: texts } of sb?.table("Port_Binding").rows() ?? []) {
      const residents = texts.flatMap(residentOf);
      for (const { mac } of residents) own.add(mac);
      const at = parent_port || logical_port;
      byPort.set(at, [...(byPort.get(at) ?? []), ...residents]);
    }
    for (const hypervisor of hypervisors) {
      const at = portInterfaces(hypervisor).map(({ name, port }) => [name, byPort.get(port) ?? []] as const);
      this.#guests.set(hypervisor, new Map(at));
    }
    // Guests are where their ports are.
    this.#hosts = hosts.flatMap(({ mac, ips }) => (own.has(mac) ? [] : [{ mac, ips: new Set(ips.map(canonical)) }]));
  }

  /** What the guest behind a device answers to a question for its address; undefined: nothing. */
  ofGuest(hypervisor: Hypervisor, device: string, frame: Uint8Array): Uint8Array | undefined {
    return answer(this.#guests.get(hypervisor)?.get(device) ?? [], frame);
  }

  ofHost(frame: Uint8Array): Uint8Array | undefined {
    return answer(this.#hosts, frame);
  }
}

/** "MAC IP ...", as Port_Binding.mac has it. */
function residentOf(text: string): Resident[] {
  const [mac = "", ...ips] = text.trim().split(/\s+/);
  const parsed = parseMac(mac);
  if (parsed === undefined) return [];
  const own = ips.map((ip) => canonical(ip.split("/")[0] ?? ip));
  return [{ mac: mac.toLowerCase(), ips: new Set([...own, formatIpv6(linkLocalOfMac(parsed))]) }];
}

function canonical(ip: string): string {
  const v6 = parseIpv6(ip);
  return v6 === undefined ? ip : formatIpv6(v6);
}

/** The ARP reply, or the neighbour advertisement, of whoever has the address that is asked for; VLAN tags stay. */
function answer(residents: readonly Resident[], frame: Uint8Array): Uint8Array | undefined {
  const layers = decode(frame);
  const ethernet = find(layers, "ethernet");
  const arp = find(layers, "arp");
  const nd = find(layers, "nd");
  const ip = find(layers, "ipv6");
  if (ethernet === undefined) return undefined;
  const asked = arp?.operation === 1 ? formatIpv4(arp.targetIp) : nd?.type === 135 ? formatIpv6(nd.target) : undefined;
  const owner = asked === undefined ? undefined : residents.find(({ ips }) => ips.has(asked));
  const mac = owner === undefined ? undefined : parseMac(owner.mac);
  if (mac === undefined) return undefined;
  const tags: Header[] = layers.flatMap(({ header }) => (header.kind === "vlan" ? [header] : []));
  const link: Header[] = [{ kind: "ethernet", dst: ethernet.src, src: mac }, ...tags];
  if (arp !== undefined) {
    const { senderMac: targetMac, senderIp: targetIp, targetIp: senderIp } = arp;
    return emit([...link, { kind: "arp", operation: 2, senderMac: mac, senderIp, targetMac, targetIp }]);
  }
  if (ip === undefined || nd?.type !== 135) return undefined;
  return emit([
    ...link,
    { kind: "ipv6", src: nd.target, dst: ip.src, hopLimit: 255 },
    {
      kind: "nd",
      type: 136,
      target: nd.target,
      router: false,
      solicited: true,
      override: true,
      options: [{ option: "target-mac", mac }],
    },
  ]);
}
