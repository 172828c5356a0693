/**
 * Two gateways and a hypervisor in a cloud of processes: a guest sends a stream to a host on the physical network, through whichever
 * gateway carries the router's port. For the test and the benchmark of failing over.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  decode,
  emit,
  find,
  formatIpv4,
  formatMac,
  type Header,
  type Layer,
  parseIpv4,
  parseMac,
  readCapture,
  toHex,
} from "@weft/packet";
import { nodeRuntime } from "@weft/runtime";
import { Cloud, programsOf, type Side } from "./processes.ts";

export type Node = "g1" | "g2" | "w1";

const GUEST = "50:54:00:00:00:01";
const HOST = "50:54:00:00:00:99";
const SOURCE = { mac: GUEST, ip: "10.0.0.1" };
const HOST_IP = "172.16.0.9";
const ROUTER = "50:54:00:00:00:fe";

/** Between two packets of the stream (ms). */
export const STREAM_MS = 10;

const NETWORK = `
  cloud_start; net_add n1
  hv_do underlay ovs-vsctl add-port n1 host -- set interface host options:tx_pcap=$DIR/underlay/host-tx.pcap`;

/** A router's port and an external port on a group of the gateways; another external port on a group that nobody watches; NAT, so that the gateway has addresses to announce. */
const ROUTERS = `
  underlay_warm
  ovn-nbctl ls-add ext -- lsp-add-localnet-port ext ln physnet1 \\
    -- ls-add in -- lsp-add in p1 -- lsp-set-addresses p1 "${GUEST} ${SOURCE.ip}" -- lsp-add in p2 -- lsp-set-addresses p2 "50:54:00:00:00:02 10.0.0.2" \\
    -- lr-add r -- lrp-add r rin ${ROUTER} 10.0.0.254/24 -- lsp-add-router-port in in-r rin \\
    -- lrp-add r rext 50:54:00:00:02:fe 172.16.0.1/24 -- lsp-add-router-port ext ext-r rext \\
    -- lsp-set-options ext-r router-port=rext nat-addresses=router \\
    -- lr-nat-add r snat 172.16.0.3 10.0.0.0/24 -- lr-nat-add r dnat_and_snat 172.16.0.5 10.0.0.2 \\
    -- static-mac-binding-add rext ${HOST_IP} ${HOST} \\
    -- ha-chassis-group-add ha -- ha-chassis-group-add-chassis ha g1 30 -- ha-chassis-group-add-chassis ha g2 20 \\
    -- ha-chassis-group-add lone -- ha-chassis-group-add-chassis lone g1 30 -- ha-chassis-group-add-chassis lone g2 20 \\
    -- lsp-add ext x2 -- lsp-set-type x2 external -- lsp-set-addresses x2 "50:54:00:00:00:78 172.16.0.78" \\
    -- lsp-add ext x1 -- lsp-set-type x1 external -- lsp-set-addresses x1 "50:54:00:00:00:77 172.16.0.77"
  group=$(ovn-nbctl --bare --columns=_uuid find ha_chassis_group name=ha)
  ovn-nbctl set logical_switch_port x1 ha_chassis_group=$group -- set logical_router_port rext ha_chassis_group=$group \\
    -- set logical_switch_port x2 ha_chassis_group=$(ovn-nbctl --bare --columns=_uuid find ha_chassis_group name=lone)
  vif_add w1 p1; ovn-nbctl --wait=hv sync`;

export class FailoverCloud {
  readonly cloud: Cloud;
  #sent = 0;

  /** `sides`: where the switch and the controller of each machine come from; `northd` and the databases by themselves. */
  constructor(sides: Readonly<Record<Node, Side>>, northd: Side = "reference") {
    const other = northd === "weft" ? "weft" : "reference";
    this.cloud = new Cloud({ OVSDB_SERVER: other, NORTHD: northd, CONTROLLER: other, VSWITCHD: other, tools: "reference" });
    const machines = (["g1", "g2", "w1"] as const).map((name, i) => {
      const from = programsOf(sides[name]);
      // An address that stays, so that the others find the machine again after a restart.
      return `CONTROLLER=${from} VSWITCHD=${from} hv_add ${name} n1 10.9.0.${i + 1}/24
        hv_do ${name} ovs-vsctl set bridge br-phys other-config:hwaddr=0e:00:00:00:00:0${i + 1}`;
    });
    this.cloud.run([NETWORK, ...machines, ROUTERS].join("\n"));
    // The physical network knows where the host is.
    this.#receive(
      "underlay/vswitchd",
      "host",
      emit([
        { kind: "ethernet", dst: parseMac("ff:ff:ff:ff:ff:ff")!, src: parseMac(HOST)! },
        { kind: "payload", bytes: new Uint8Array(46) },
      ]),
    );
  }

  #controls = new Map<string, ReturnType<Cloud["control"]>>();

  #receive(daemon: string, port: string, frame: Uint8Array): Promise<string> {
    let control = this.#controls.get(daemon);
    if (control === undefined) {
      control = this.cloud.control(daemon);
      this.#controls.set(daemon, control);
    }
    return control.call("netdev-dummy/receive", port, toHex(frame));
  }

  async #send(): Promise<void> {
    const packet: Header[] = [
      { kind: "ethernet", dst: parseMac(ROUTER)!, src: parseMac(GUEST)! },
      { kind: "ipv4", src: parseIpv4(SOURCE.ip)!, dst: parseIpv4(HOST_IP)!, ttl: 64 },
      { kind: "udp", srcPort: 1024 + (this.#sent++ % 60000), dstPort: 7 },
      { kind: "payload", bytes: new Uint8Array(18) },
    ];
    await this.#receive("w1/vswitchd", "p1", emit(packet));
  }

  /** Sends the stream for so long (ms). */
  async stream(ms: number): Promise<void> {
    const { clock } = nodeRuntime();
    const begin = clock.now();
    for (let n = 1; n * STREAM_MS <= ms; n++) {
      await this.#send();
      await clock.sleep(Math.max(0, begin + n * STREAM_MS - clock.now()));
    }
  }

  get sent(): number {
    return this.#sent;
  }

  /** What came to the host. */
  received(): Layer[][] {
    const file = join(this.cloud.dir, "underlay/host-tx.pcap");
    return existsSync(file) ? readCapture(readFileSync(file)).map(({ bytes }) => decode(bytes)) : [];
  }

  /** The packets of the stream that came to the host. */
  arrived(): number {
    return this.received().filter((layers) => find(layers, "udp")?.dstPort === 7).length;
  }

  /** The addresses that were announced to the host, sorted; of frames from the `from`th on. */
  announced(from = 0): string[] {
    const lines = this.received()
      .slice(from)
      .flatMap((layers) => {
        const arp = find(layers, "arp");
        if (arp === undefined || arp.senderIp !== arp.targetIp) return [];
        return [`${formatMac(arp.senderMac)} ${formatIpv4(arp.senderIp)}`];
      });
    return [...new Set(lines)].sort();
  }

  /** Names of the chassis of ports. */
  chassis(...ports: readonly string[]): string[] {
    const look = ports.map((port) => `ovn-sbctl get port_binding ${port} chassis up | tr '\\n' ' '; echo`).join("; ");
    const names = new Map<string, string>();
    for (const line of this.cloud
      .run("ovn-sbctl --format=csv --no-headings --columns=_uuid,name list chassis")
      .trim()
      .split("\n")) {
      const [uuid, name] = line.split(",");
      names.set(uuid!, name!);
    }
    return this.cloud
      .run(look)
      .trim()
      .split("\n")
      .map((line) => {
        const [uuid, up] = line.trim().split(" ");
        return `${names.get(uuid!) ?? "none"} ${up}`;
      });
  }

  /** How many tunnels of a machine BFD says are up. */
  watched(node: Node): number {
    const statuses = this.cloud.run(`hv_do ${node} ovs-vsctl --bare --columns=bfd_status list interface`);
    return statuses.match(/ state=up/g)?.length ?? 0;
  }

  /** Ends a machine's switch and controller as a power cut does. */
  kill(node: Node): void {
    for (const daemon of ["vswitchd", "controller"]) process.kill(this.cloud.pid(`${node}/${daemon}`), "SIGKILL");
  }

  /** Starts them again. */
  restart(node: Node, side: Side): void {
    const number = Number(node.slice(1));
    this.cloud.run(`
      rm -f $DIR/${node}/{vswitchd,controller}.{pid,ctl}; from=${programsOf(side)}
      switch_daemon $DIR/${node} $from/ovs-vswitchd
      hv_do ${node} ovs-appctl netdev-dummy/ip4addr br-phys 10.9.0.${number}/24 >/dev/null
      hv_do ${node} ovs-appctl ovs/route/add 10.9.0.${number}/24 br-phys >/dev/null
      daemon $DIR/${node} controller $from/ovn-controller unix:$DIR/${node}/db.sock
      endpoints=(g1,10.9.0.1 g2,10.9.0.2 w1,10.9.0.3); underlay_warm
      # The reference's controller says that the flows are there and takes it back at once; its switch may never hear of it.
      sleep 1; hv_do ${node} ovs-vsctl remove open . other_config flow-restore-wait`);
  }

  stop(): void {
    this.cloud.stop(true);
  }
}
