/** What an emulated machine gives to the switch that runs on it: its devices, and its IP stack for tunnels. */
import { formatMac, macOf, parseMac } from "@weft/packet";
import { WeftError } from "@weft/runtime";
import type { Netdev, NetdevProvider, NetdevStatistics, TunnelHost } from "@weft/vswitch";
import { Device } from "./machine/device.ts";
import { formatIp, parseIp } from "./machine/ip.ts";
import type { Machine } from "./machine/machine.ts";

/** A device of the machine as the switch sees it. */
abstract class MachineNetdev implements Netdev {
  readonly device: Device;
  readonly name: string;
  readonly type: string;
  onReceive: ((frame: Uint8Array) => void) | undefined;
  onChange: (() => void) | undefined;
  protected readonly machine: Machine;

  constructor(machine: Machine, device: Device, type: string) {
    this.machine = machine;
    this.device = device;
    this.name = device.name;
    this.type = type;
    device.onChange = () => this.onChange?.();
  }

  get mac(): string {
    return formatMac(this.device.mac);
  }
  get mtu(): number {
    return this.device.mtu;
  }
  get up(): boolean {
    return this.device.up;
  }
  get carrier(): boolean {
    return this.device.running;
  }
  get ifindex(): number {
    return this.device.ifindex;
  }
  abstract get statistics(): Readonly<NetdevStatistics>;
  abstract transmit(frame: Uint8Array): void;
  abstract close(): void;

  setMac(mac: string): void {
    const parsed = parseMac(mac);
    if (parsed === undefined) throw new WeftError("lab.bad-mac", `${mac} is not a MAC address`, { blame: "caller" });
    this.device.setMac(parsed);
  }
  setMtu(mtu: number): void {
    this.device.setMtu(mtu);
  }
  setUp(up: boolean): void {
    this.device.setUp(up);
  }
  configure(): void {}

  /** Frames pass through the clock, so that neither side is entered from within the other. */
  protected hand(frame: Uint8Array, to: (frame: Uint8Array) => void): void {
    this.machine.runtime.clock.soon(() => to(frame));
  }
}

/** `type=internal`: the switch is at the device's other end, wherever the device is moved to. */
class InternalPort extends MachineNetdev {
  constructor(machine: Machine, device: Device) {
    super(machine, device, "internal");
    device.wire = (frame) => this.hand(frame, (bytes) => this.onReceive?.(bytes));
  }

  /** What the machine sends, the switch receives. */
  get statistics(): NetdevStatistics {
    const { txPackets, txBytes, txDropped, rxPackets, rxBytes, rxDropped } = this.device.statistics;
    return {
      rx_packets: txPackets,
      rx_bytes: txBytes,
      rx_dropped: txDropped,
      rx_errors: 0,
      tx_packets: rxPackets,
      tx_bytes: rxBytes,
      tx_dropped: rxDropped,
      tx_errors: 0,
    };
  }

  transmit(frame: Uint8Array): void {
    this.hand(frame, (bytes) => this.device.receive(bytes));
  }

  close(): void {
    this.device.wire = undefined;
    this.device.onChange = undefined;
    this.device.namespace?.removeDevice(this.device);
  }
}

/** A NIC (or any other device) of the machine's own that was added to a bridge. */
class SystemPort extends MachineNetdev {
  constructor(machine: Machine, device: Device) {
    super(machine, device, "system");
    device.attached = (frame) => this.hand(frame, (bytes) => this.onReceive?.(bytes));
  }

  get statistics(): NetdevStatistics {
    const { txPackets, txBytes, txDropped, rxPackets, rxBytes, rxDropped } = this.device.statistics;
    return {
      rx_packets: rxPackets,
      rx_bytes: rxBytes,
      rx_dropped: rxDropped,
      rx_errors: 0,
      tx_packets: txPackets,
      tx_bytes: txBytes,
      tx_dropped: txDropped,
      tx_errors: 0,
    };
  }

  transmit(frame: Uint8Array): void {
    this.device.transmit(frame);
  }

  close(): void {
    this.device.attached = undefined;
    this.device.onChange = undefined;
  }
}

export function machineDevices(machine: Machine): NetdevProvider {
  return {
    types: ["internal", "system", "tap"],
    open(name, type) {
      if (type === "internal" || type === "tap") {
        if (machine.root.device(name)) {
          throw new WeftError("lab.device-exists", `could not add network device ${name} to ofproto (File exists)`, {
            blame: "caller",
          });
        }
        const { random } = machine.runtime;
        const mac = macOf(((random.below(0x10000) & 0xfcff) | 0x0200) * 2 ** 32 + random.uint32());
        const device = new Device("openvswitch", name, mac);
        machine.root.addDevice(device);
        return new InternalPort(machine, device);
      }
      const device = machine.root.device(name);
      if (!device)
        throw new WeftError("lab.no-device", `could not open network device ${name} (No such device)`, { blame: "caller" });
      if (device.attached || device.master)
        throw new WeftError("lab.device-busy", `could not open network device ${name} (Device or resource busy)`, {
          blame: "caller",
        });
      return new SystemPort(machine, device);
    },
  };
}

/** Bytes of a Geneve header before its options, whose length is in its first byte in units of 4 (RFC 8926 3.4). */
const GENEVE_HEADER = 8;
const VXLAN_HEADER = 8;
const GENEVE_PORT = 6081;

/**
 * Tunnels through the machine's own stack, as the kernel module of Open vSwitch has them: a UDP socket for each protocol,
 * and a device (genev_sys_6081) on which a capture sees the packets without their tunnel header.
 */
export function machineTunnels(machine: Machine): TunnelHost {
  return {
    async bindTunnel(udpPort, receive) {
      const geneve = udpPort === GENEVE_PORT;
      const name = geneve ? `genev_sys_${udpPort}` : `vxlan_sys_${udpPort}`;
      const { random } = machine.runtime;
      const device = new Device("geneve", name, macOf(0x02_0000_0000_00 + random.uint32()), 65000);
      machine.root.addDevice(device);
      device.setUp(true);
      const inner = (payload: Uint8Array) =>
        payload.subarray(geneve ? GENEVE_HEADER + 4 * ((payload[0] ?? 0) & 0x3f) : VXLAN_HEADER);
      device.attached = () => undefined;
      const socket = machine.root.stack.udp.bind(undefined, udpPort, (payload, from, received) => {
        if (payload.length < GENEVE_HEADER) return;
        device.receive(inner(payload));
        receive(payload, {
          src: formatIp(received.src),
          dst: formatIp(received.dst),
          tos: received.tos,
          ttl: received.ttl,
          srcPort: from.port,
        });
      });
      return {
        send(payload, outer) {
          const dst = parseIp(outer.dst);
          if (!dst) return;
          device.transmit(inner(payload));
          const src = outer.src === "" ? undefined : parseIp(outer.src);
          machine.root.stack.send(
            dst,
            [
              {
                kind: "udp",
                srcPort: outer.srcPort,
                dstPort: udpPort,
                ...(outer.csum || dst.family === 6 ? {} : { checksum: 0 }),
              },
              { kind: "payload", bytes: payload },
            ],
            { src, tos: outer.tos, ttl: outer.ttl, dontFragment: outer.df },
          );
        },
        close() {
          socket.close();
          machine.root.removeDevice(device);
        },
      };
    },
  };
}
