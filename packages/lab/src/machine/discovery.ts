/** ARP and IPv6 neighbour discovery of a namespace (RFC 826, RFC 4861): asks, answers, and learns from what it hears. */
import {
  ARP_OPERATION,
  type Arp,
  emit,
  IPV4_ZERO,
  IPV6_ALL_NODES,
  IPV6_ZERO,
  MAC_BROADCAST,
  MAC_ZERO,
  type Mac,
  multicastMacOfIpv6,
  type Nd,
  type NdNeighborAdvertisement,
  type NdNeighborSolicitation,
  ndLinkLayer,
  solicitedNodeOf,
} from "@weft/packet";
import type { Device } from "./device.ts";
import { equalIp, type Ip, ip4, ip6, isAny, isLinkLocal } from "./ip.ts";
import type { Namespace } from "./namespace.ts";
import { Neighbours } from "./neighbours.ts";

export class Discovery {
  readonly neighbours: Neighbours;
  readonly #namespace: Namespace;

  constructor(namespace: Namespace) {
    this.#namespace = namespace;
    this.neighbours = new Neighbours(namespace.clock, (device, ip, unicast) => this.#solicit(device, ip, unicast));
  }

  /** Asks who has an address, by ARP or ND. */
  #solicit(device: Device, ip: Ip, unicast: Mac | undefined): void {
    const source = this.#namespace.sourceFor(device, ip);
    if (ip.family === 4) {
      const sender = source?.family === 4 ? source.value : IPV4_ZERO;
      device.transmit(
        emit([
          { kind: "ethernet", dst: unicast ?? MAC_BROADCAST, src: device.mac },
          {
            kind: "arp",
            operation: ARP_OPERATION.request,
            senderMac: device.mac,
            senderIp: sender,
            targetMac: MAC_ZERO,
            targetIp: ip.value,
          },
        ]),
      );
      return;
    }
    const group = solicitedNodeOf(ip.value);
    const src = source?.family === 6 ? source.value : IPV6_ZERO;
    device.transmit(
      emit([
        { kind: "ethernet", dst: unicast ?? multicastMacOfIpv6(group), src: device.mac },
        { kind: "ipv6", src, dst: unicast === undefined ? group : ip.value, hopLimit: 255 },
        { kind: "nd", type: 135, target: ip.value, options: [{ option: "source-mac", mac: device.mac }] },
      ]),
    );
  }

  /** Tells the neighbourhood of a new address of ours (gratuitous ARP). */
  announce(device: Device, ip: Ip): void {
    if (ip.family !== 4 || device.kind === "loopback") return;
    device.transmit(
      emit([
        { kind: "ethernet", dst: MAC_BROADCAST, src: device.mac },
        {
          kind: "arp",
          operation: ARP_OPERATION.request,
          senderMac: device.mac,
          senderIp: ip.value,
          targetMac: MAC_ZERO,
          targetIp: ip.value,
        },
      ]),
    );
  }

  #hasAddress(device: Device, ip: Ip): boolean {
    return this.#namespace.addresses.some((address) => address.device === device && equalIp(address.network.address, ip));
  }

  arp(device: Device, arp: Arp): void {
    const sender = ip4(arp.senderIp);
    const ours = this.#hasAddress(device, ip4(arp.targetIp));
    if (arp.operation === ARP_OPERATION.reply) {
      this.neighbours.learn(device, sender, arp.senderMac, { solicited: true, create: false });
      return;
    }
    if (arp.operation !== ARP_OPERATION.request) return;
    if (!isAny(sender)) this.neighbours.learn(device, sender, arp.senderMac, { solicited: false, create: ours });
    if (!ours || this.#hasAddress(device, sender)) return;
    device.transmit(
      emit([
        { kind: "ethernet", dst: arp.senderMac, src: device.mac },
        {
          kind: "arp",
          operation: ARP_OPERATION.reply,
          senderMac: device.mac,
          senderIp: arp.targetIp,
          targetMac: arp.senderMac,
          targetIp: arp.senderIp,
        },
      ]),
    );
  }

  /** A message of neighbour discovery whose hop limit and checksum are right. */
  nd(device: Device, src: Ip, message: Nd): void {
    switch (message.type) {
      case 134: {
        const mac = ndLinkLayer(message, "source-mac");
        if (mac !== undefined) this.neighbours.learn(device, src, mac, { solicited: false, create: true, isRouter: true });
        if (isLinkLocal(src)) this.#namespace.autoconfiguration.advertised(device, src, message);
        break;
      }
      case 135:
        this.#solicited(device, src, message);
        break;
      case 136:
        this.#advertised(device, message);
        break;
    }
  }

  #solicited(device: Device, src: Ip, message: NdNeighborSolicitation): void {
    const source = ndLinkLayer(message, "source-mac");
    const ours = this.#hasAddress(device, ip6(message.target));
    const anonymous = isAny(src);
    if (source !== undefined && !anonymous) this.neighbours.learn(device, src, source, { solicited: false, create: ours });
    if (!ours) return;
    const answer = (dst: Mac) =>
      device.transmit(
        emit([
          { kind: "ethernet", dst, src: device.mac },
          {
            kind: "ipv6",
            src: message.target,
            dst: anonymous || src.family !== 6 ? IPV6_ALL_NODES : src.value,
            hopLimit: 255,
          },
          {
            kind: "nd",
            type: 136,
            target: message.target,
            solicited: !anonymous,
            override: true,
            router: this.#namespace.forwarding,
            options: [{ option: "target-mac", mac: device.mac }],
          },
        ]),
      );
    if (anonymous) answer(multicastMacOfIpv6(IPV6_ALL_NODES));
    else if (source !== undefined) answer(source);
    else this.neighbours.resolve(device, src, answer, () => undefined);
  }

  #advertised(device: Device, message: NdNeighborAdvertisement): void {
    const mac = ndLinkLayer(message, "target-mac");
    if (mac === undefined) return;
    this.neighbours.learn(device, ip6(message.target), mac, {
      solicited: message.solicited === true,
      create: false,
      isRouter: message.router === true,
    });
  }
}
