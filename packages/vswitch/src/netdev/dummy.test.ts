import { virtualRuntime } from "@weft/runtime";
import { describe, expect, it } from "vitest";
import { DummyProvider, FrameReader } from "./dummy.ts";

describe("FrameReader", () => {
  it("finds frames however the bytes come", () => {
    const bytes = Uint8Array.of(0, 2, 1, 2, 0, 3, 7, 8, 9, 0, 1);
    for (let size = 1; size <= bytes.length; size++) {
      const frames: number[][] = [];
      const reader = new FrameReader();
      for (let at = 0; at < bytes.length; at += size) reader.push(bytes.slice(at, at + size), (frame) => frames.push([...frame]));
      expect(frames).toEqual([
        [1, 2],
        [7, 8, 9],
      ]);
    }
  });
});

describe("dummy devices", () => {
  it("carry frames over a stream and capture them", async () => {
    const runtime = virtualRuntime();
    const provider = new DummyProvider(runtime);
    const a = provider.open("a", "dummy", new Map([["pstream", "pmemory:wire"]]));
    const b = provider.open(
      "b",
      "dummy",
      new Map([
        ["stream", "memory:wire"],
        ["tx_pcap", "/b.pcap"],
      ]),
    );
    const received: string[] = [];
    a.onReceive = (frame) => received.push(`a ${frame.length}`);
    b.onReceive = (frame) => received.push(`b ${frame.length}`);
    await runtime.clock.advance(10);
    expect(b.connection).toBe("connected");
    b.transmit(new Uint8Array(60));
    a.transmit(new Uint8Array(42));
    await runtime.clock.advance(10);
    expect(received.sort()).toEqual(["a 60", "b 42"]);
    await runtime.clock.run(b.flushed());
    expect((await runtime.clock.run(runtime.files.read("/b.pcap"))).length).toBe(24 + 16 + 60);
    // The file of an earlier run is carried on.
    const again = provider.open("c", "dummy", new Map([["tx_pcap", "/b.pcap"]]));
    again.transmit(new Uint8Array(60));
    await runtime.clock.run(again.flushed());
    expect((await runtime.clock.run(runtime.files.read("/b.pcap"))).length).toBe(24 + 2 * (16 + 60));
    expect(a.statistics.tx_packets).toBe(1);
    expect(a.statistics.rx_bytes).toBe(60);
  });

  it("answer ARP for their address", async () => {
    const runtime = virtualRuntime();
    const device = new DummyProvider(runtime).open("br0", "dummy-internal", new Map());
    device.setAddresses(["10.0.0.1/24"]);
    const received: Uint8Array[] = [];
    device.onReceive = (frame) => received.push(frame);
    const request = new Uint8Array(42);
    request.set([
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9, 10, 0, 0, 9,
    ]);
    request.set([10, 0, 0, 1], 38);
    device.transmit(request);
    await runtime.clock.advance(1);
    expect(received.length).toBe(1);
    expect([...received[0]!.subarray(20, 22)]).toEqual([0, 2]);
    expect([...received[0]!.subarray(28, 32)]).toEqual([10, 0, 0, 1]);
  });
});
