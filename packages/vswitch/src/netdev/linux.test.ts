import type { FrameDevice, HostLink, HostNetwork } from "@weft/runtime";
import { virtualRuntime, WeftError } from "@weft/runtime";
import { describe, expect, it } from "vitest";
import { LinuxDevices } from "./linux.ts";
import { MissingDevices } from "./missing.ts";

const statistics: HostLink["statistics"] = {
  rx_packets: 1,
  tx_packets: 2,
  rx_bytes: 3,
  tx_bytes: 4,
  rx_errors: 5,
  tx_errors: 6,
  rx_dropped: 7,
  tx_dropped: 8,
  multicast: 0,
  collisions: 0,
  rx_over_errors: 0,
  rx_crc_errors: 0,
  rx_frame_errors: 0,
  rx_missed_errors: 0,
};

/** A host with one link, by hand. */
function host() {
  const link: HostLink = {
    index: 4,
    name: "eth0",
    mac: "52:54:00:00:00:01",
    mtu: 1500,
    up: true,
    carrier: true,
    peer: undefined,
    statistics,
  };
  const links = new Map([[4, link]]);
  const frames = {
    onFrame: undefined,
    send: () => undefined,
    lost: { dropped: 0, errors: 0, reason: undefined },
    gone: false,
    close() {},
  };
  const device: FrameDevice = frames;
  let changed = (): void => undefined;
  const network: Partial<HostNetwork> = {
    links,
    addresses: [{ link: 4, address: "10.0.0.1", prefixLength: 24 }],
    link: (name) => [...links.values()].find((one) => one.name === name),
    onChange: (listener) => {
      changed = listener;
      return () => undefined;
    },
    driver: () => undefined,
    openPacket: () => device,
    openTap: () => device,
    setLink: () => {
      throw new WeftError("host.device", "Operation not permitted", { blame: "caller" });
    },
  };
  // What is left out is not called.
  return { network: network as HostNetwork, links, link, frames, changed: () => changed(), device };
}

describe("a device of the host", () => {
  it("counts from the host's side as a TAP device, from the wire's as another", () => {
    const { network } = host();
    const devices = new LinuxDevices(network, virtualRuntime());
    expect(devices.open("eth0", "system").statistics).toMatchObject({ rx_packets: 1, tx_bytes: 4, tx_dropped: 8 });
    expect(devices.open("eth0", "internal").statistics).toMatchObject({ rx_packets: 2, tx_bytes: 3, tx_dropped: 7 });
  });

  it("is gone when it has another name; a TAP device is elsewhere", () => {
    const { network, links, link, changed } = host();
    const devices = new LinuxDevices(network, virtualRuntime());
    const [system, tap] = [devices.open("eth0", "system"), devices.open("eth0", "internal")];
    links.set(4, { ...link, name: "eth1" });
    changed();
    expect([system.gone, tap.gone, tap.elsewhere, tap.mtu]).toEqual([true, false, false, 1500]);
    links.delete(4);
    changed();
    expect([tap.gone, tap.elsewhere, tap.up, tap.ifindex, tap.addresses]).toEqual([false, true, false, 0, []]);
  });

  it("tells of changes, and survives the kernel's refusal and a frame that the switch stumbles over", () => {
    const { network, links, link, changed, device } = host();
    const runtime = virtualRuntime();
    const lines: string[] = [];
    runtime.log.onRecord(({ level, text }) => lines.push(`${level} ${text.split(" (")[0]}`));
    const tap = new LinuxDevices(network, runtime).open("eth0", "internal");
    let told = 0;
    tap.onChange = () => told++;
    links.set(4, { ...link, up: false, carrier: false });
    changed();
    changed();
    expect([told, tap.up, tap.carrier]).toEqual([1, false, false]);
    tap.setMtu(9000);
    tap.setMac("02:00:00:00:00:09");
    tap.onReceive = () => {
      throw new Error("a mistake");
    };
    for (let i = 0; i < 3; i++) device.onFrame?.(new Uint8Array(60), undefined);
    expect(lines).toEqual([
      "warn failed to set MTU for network device eth0: Operation not permitted",
      "warn failed to set Ethernet address for network device eth0: Operation not permitted",
      "err a frame received on eth0 was lost",
    ]);
  });

  it("is refused with the reason where the host's devices cannot be used", () => {
    expect(() => new MissingDevices("they need Linux").open("eth0")).toThrow(
      "could not open network device eth0 (they need Linux)",
    );
  });
});
