/**
 * Probes of services (Service_Monitor) by our controller beside the reference's: one chassis in a cloud of each, the same
 * services behind its ports. Compared are the probes, byte by byte but for what is drawn at random, and what is told of the services.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decode, emit, formatMac, type Header, headers, type Layer, type Mac, readCapture, toHex } from "@weft/packet";
import { nodeRuntime } from "@weft/runtime";
import { afterAll, beforeAll, expect, test } from "vitest";
import { allReference, allWeft, Cloud, linkPrograms, type Mix } from "./reference/cloud.ts";
import type { Control } from "./reference/daemons.ts";

linkPrograms();

/** What a guest does with a probe. */
type Conduct = "accept" | "refuse" | "silent" | "another connection" | "pass on";

/** What the guests behind the ports do with one probe after another, over and over. */
const conducts: Readonly<Record<string, readonly Conduct[]>> = {
  p1: ["accept"],
  p2: ["refuse"],
  p3: ["accept"],
  p4: ["silent"],
  p5: ["accept", "refuse"],
  p6: ["accept", "accept", "refuse"],
  p7: ["accept", "refuse", "refuse"],
  p8: ["another connection"],
  f1: ["pass on"],
  g1: ["silent"],
};
/** Ports of network functions that packets leave by. */
const otherEnd: Readonly<Record<string, string>> = { f1: "f2", g1: "g2" };

const NETWORK = `
  cloud_start; net_add n1; hv_add w1 n1 10.9.0.1/24
  ovn-nbctl ls-add a -- lsp-add a f1 -- lsp-add a f2 -- lsp-add a g1 -- lsp-add a g2
  for i in 1 2 3 4 5 6 7 8 9; do ovn-nbctl lsp-add a p$i -- lsp-set-addresses p$i "50:54:00:00:00:0$i 10.0.0.$i fd00::$i"; vif_add w1 p$i; done
  ovn-nbctl lsp-set-addresses p9 unknown; for port in f1 f2 g1 g2; do vif_add w1 $port; done
  ovn-nbctl --wait=hv sync`;

const CHECKS = `
  options="options:interval=1 options:timeout=2 options:success_count=2 options:failure_count=2"
  command=(--wait=hv)
  balance() { # NAME PROTOCOL VIP BACKENDS MAPPING...
    local name=$1 protocol=$2 vip=$3 backends=$4 mapping; shift 4
    ovn-nbctl lb-add $name "$vip" "$backends" $protocol -- ls-lb-add a $name
    for mapping in "$@"; do ovn-nbctl set load_balancer $name "ip_port_mappings:\\"\${mapping%%=*}\\"=\\"\${mapping#*=}\\""; done
    command+=(-- --id=@$name create Load_Balancer_Health_Check "vip=\\"$vip\\"" $options -- add load_balancer $name health_check @$name)
  }
  balance tcp4 tcp 10.0.0.100:80 10.0.0.1:8080,10.0.0.2:8080 10.0.0.1=p1:10.0.0.250 10.0.0.2=p2:10.0.0.250
  balance udp4 udp 10.0.0.101:53 10.0.0.1:53,10.0.0.2:53 10.0.0.1=p1:10.0.0.250 10.0.0.2=p2:10.0.0.250
  balance tcp6 tcp '[fd00::100]:80' '[fd00::1]:8080,[fd00::2]:8080' '[fd00::1]=p1:[fd00::250]' '[fd00::2]=p2:[fd00::250]'
  balance udp6 udp '[fd00::101]:53' '[fd00::1]:53,[fd00::2]:53' '[fd00::1]=p1:[fd00::250]' '[fd00::2]=p2:[fd00::250]'
  balance more tcp 10.0.0.102:80 10.0.0.5:80,10.0.0.6:80,10.0.0.7:80,10.0.0.8:80,10.0.0.9:80 \\
    10.0.0.5=p5:10.0.0.250 10.0.0.6=p6:10.0.0.250 10.0.0.7=p7:10.0.0.250 10.0.0.8=p8:10.0.0.250 10.0.0.9=p9:10.0.0.250
  check() { # PORT PROTOCOL ADDRESS SOURCE NUMBER
    command+=(-- --id=@c\${#command[@]} create Logical_Switch_Port_Health_Check protocol=$2 "address=\\"$3\\"" "src_ip=\\"$4\\"" port=$5 $options
      -- add logical_switch_port $1 health_checks @c\${#command[@]})
  }
  check p3 icmp 10.0.0.3 10.0.0.251 0; check p3 icmp fd00::3 fd00::251 0; check p3 tcp 10.0.0.3 10.0.0.251 22
  check p3 udp 10.0.0.3 10.0.0.251 69; check p4 icmp 10.0.0.4 10.0.0.251 0; check p4 icmp fd00::4 fd00::251 0
  nf() { # NAME ID
    uuid() { ovn-nbctl get logical_switch_port $1 _uuid; }
    command+=(-- --id=@h$1 create Network_Function_Health_Check name=$1 $options
      -- --id=@n$1 create network_function name=$1 id=$2 inport=$(uuid \${1}1) outport=$(uuid \${1}2) health_check=@h$1)
  }
  nf f 1; nf g 2
  command+=(-- create network_function_group name=fg mode=inline id=1 network_function=@nf,@ng
    -- set nb_global . options:svc_monitor_ip=169.254.100.10 options:svc_monitor_ip_dst=169.254.100.11)
  ovn-nbctl "\${command[@]}" >/dev/null`;

const { clock } = nodeRuntime();

/** The guests behind the ports of a cloud, what has come to them, and what the Southbound has said of the services. */
class Guests {
  readonly cloud: Cloud;
  readonly seen = new Map<string, Layer[][]>();
  /** Values of status, one after another, by service. */
  readonly told = new Map<string, string[]>();
  readonly #counts = new Map<string, number>();
  readonly #switch: Control;

  constructor(cloud: Cloud) {
    this.cloud = cloud;
    this.#switch = cloud.control("w1/vswitchd");
  }

  async answer(): Promise<void> {
    for (const [port, conduct] of Object.entries(conducts)) {
      const frames = readCapture(readFileSync(join(this.cloud.dir, "w1", `${port}-tx.pcap`)));
      const seen = this.seen.get(port) ?? [];
      this.seen.set(port, seen);
      for (const { bytes } of frames.slice(seen.length)) {
        const layers = decode(bytes);
        seen.push(layers);
        if (!isProbe(layers)) continue;
        const count = this.#counts.get(port) ?? 0;
        this.#counts.set(port, count + 1);
        const answer = answerTo(layers, bytes, conduct[count % conduct.length]!);
        if (answer !== undefined) await this.#switch.call("netdev-dummy/receive", otherEnd[port] ?? port, toHex(answer));
      }
    }
  }

  look(): void {
    const columns = "type,logical_port,protocol,ip,port,status";
    for (const line of this.cloud
      .run(`ovn-sbctl --format=csv --no-headings --columns=${columns} list service_monitor`)
      .split("\n")) {
      const [, service, status] = /^(.*),([^,]*)$/.exec(line) ?? [];
      if (service === undefined || status === undefined) continue;
      const before = this.told.get(service) ?? [];
      this.told.set(service, before);
      if (before.at(-1) !== status) before.push(status);
    }
  }
}

function isProbe(layers: readonly Layer[]): boolean {
  const transport = layers[2]?.header;
  return (transport?.kind === "tcp" && transport.flags === 2) || ["udp", "icmp", "icmpv6"].includes(transport?.kind ?? "");
}

function answerTo(layers: readonly Layer[], frame: Uint8Array, conduct: Conduct): Uint8Array | undefined {
  const [ethernet, ip, transport] = layers.map(({ header }) => header);
  if (ethernet?.kind !== "ethernet" || (ip?.kind !== "ipv4" && ip?.kind !== "ipv6") || conduct === "silent") return undefined;
  if (conduct === "pass on") return frame;
  const back: Header[] = [{ kind: "ethernet", dst: ethernet.src, src: ethernet.dst }];
  if (ip.kind === "ipv4") back.push({ kind: "ipv4", src: ip.dst, dst: ip.src, ttl: 64 });
  else back.push({ kind: "ipv6", src: ip.dst, dst: ip.src, hopLimit: 64 });
  const quoted: Header = { kind: "payload", bytes: frame.slice(14) };
  switch (transport?.kind) {
    case "tcp": {
      const { srcPort, dstPort, sequence } = transport;
      const acknowledgment = (sequence + (conduct === "another connection" ? 5 : 1)) >>> 0;
      const flags = conduct === "refuse" ? 0x14 : 0x12;
      const tcp = { kind: "tcp", srcPort: dstPort, dstPort: srcPort, sequence: 77, acknowledgment, flags, window: 99 } as const;
      return emit([...back, tcp]);
    }
    case "udp":
      if (conduct === "accept") return undefined;
      return emit([
        ...back,
        ip.kind === "ipv4" ? { kind: "icmp", type: 3, code: 3 } : { kind: "icmpv6", type: 1, code: 4 },
        quoted,
      ]);
    case "icmp":
      return emit([...back, { ...transport, type: 0, checksum: undefined }]);
    case "icmpv6":
      return emit([...back, { ...transport, type: 129, checksum: undefined }]);
    default:
      return undefined;
  }
}

/** What came to a port, each kind of frame once: without what is drawn at random, and checksums, which follow from it. */
function kinds(frames: readonly (readonly Layer[])[]): string[] {
  const found = new Set<string>();
  for (const layers of frames) {
    if (layers.some(({ header }) => ["nd", "mld", "arp"].includes(header.kind))) continue;
    const plain = headers(layers).map((header) => {
      if (header.kind === "ethernet") return { ...header, src: nameOf(header.src), dst: nameOf(header.dst) };
      if (header.kind === "tcp") return { ...header, srcPort: 0, sequence: 0, acknowledgment: header.acknowledgment && "given" };
      if (header.kind === "udp") return { ...header, srcPort: 0 };
      return header.kind === "icmp" || header.kind === "icmpv6" ? { ...header, rest: 0 } : header;
    });
    found.add(JSON.stringify(plain, (_key, value) => (typeof value === "bigint" ? String(value) : value)));
  }
  return [...found].sort();
}

/** northd draws the monitors' MACs. */
function nameOf(mac: Mac): string {
  const text = formatMac(mac);
  return text.startsWith("50:54:") ? text : "monitor";
}

const sides: Guests[] = [];

/** The reference's first. */
const mixes: readonly Mix[] = (["reference", "weft"] as const)
  .map((CONTROLLER): Mix => ({ ...allReference, CONTROLLER }))
  .concat({ ...allWeft, tools: "reference" });

beforeAll(async () => {
  for (const mix of mixes) {
    const cloud = new Cloud(mix);
    cloud.run(NETWORK);
    sides.push(new Guests(cloud));
  }
  // In the background, for the guests answer from the first probe on.
  for (const { cloud } of sides) cloud.run(`(${CHECKS}) >$DIR/checks.out 2>&1 &`);
  const end = clock.now() + 20_000;
  while (clock.now() < end) {
    for (const guests of sides) {
      for (const others of sides) await others.answer();
      guests.look();
    }
    await clock.sleep(50);
  }
});

afterAll(() => {
  for (const { cloud } of sides) cloud.stop(true);
});

test("probes", () => {
  const [expected, ...ours] = sides.map(({ seen }) =>
    Object.fromEntries([...seen].map(([port, frames]) => [port, kinds(frames)])),
  );
  for (const got of ours) expect(got).toEqual(expected);
  // A connection that was accepted is reset: that is a frame more.
  expect(Object.values(expected!).map((list) => list.length)).toEqual([6, 4, 5, 2, 2, 2, 2, 1, 1, 1]);
});

test("what is told of the services", () => {
  const [expected, ...ours] = sides.map(({ told }) => told);
  for (const got of ours) {
    expect([...got.keys()].sort()).toEqual([...expected!.keys()].sort());
    for (const [service, statuses] of expected!) {
      const told = got.get(service)!;
      // Both go on telling; what the slower one has told is the beginning of what the faster one has.
      const both = Math.min(statuses.length, told.length);
      expect([service, ...told.slice(0, both)]).toEqual([service, ...statuses.slice(0, both)]);
      expect(Math.abs(statuses.length - told.length)).toBeLessThan(2);
    }
  }
  const last = new Map([...expected!].map(([service, statuses]) => [service.split(",")[1]!, statuses]));
  expect(last.get("p9")).toEqual(["[]"]);
  expect(last.get("f2")).toEqual(["[]", "online"]);
  expect(last.get("p5")!.length).toBeGreaterThan(3);
});

test("a UDP probe keeps its port, others do not", () => {
  for (const { seen } of sides) {
    const ports = (kind: "tcp" | "udp") =>
      new Set(
        seen.get("p1")!.flatMap((layers) => layers.flatMap(({ header }) => (header.kind === kind ? [header.srcPort] : []))),
      );
    expect(ports("udp").size).toBe(2);
    expect(ports("tcp").size).toBeGreaterThan(4);
  }
});

test("load balancers leave out backends that are offline", () => {
  for (const { cloud } of sides) {
    const flows = cloud.run("ovn-sbctl dump-flows a").split("\n");
    const backends = (vip: string) =>
      flows.flatMap((line) => (line.includes(`dst == ${vip} `) && /ct_lb_mark\(backends=([^;]*)\);/.exec(line)?.[1]) || []);
    expect(backends("10.0.0.100")).toEqual(["10.0.0.1:8080"]);
    expect(backends("fd00::101")).toEqual(["[fd00::1]:53"]);
  }
});
