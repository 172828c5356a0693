/**
 * weft trace agrees with the packet: in the built-in labs, pings of guests chosen by chance, to other guests, floating IPs and
 * machines outside, are seen where the trace says, and answered where it says that they are.
 */
import { builtinLabs, EchoRecorder, formatIp, parseLab } from "@weft/lab";
import { formatMac } from "@weft/packet";
import { seededRandom } from "@weft/runtime";
import type { TraceReport } from "@weft/trace";
import { describe, expect, it } from "vitest";
import { VirtualLab } from "./testing.ts";

const PINGS = 8;

interface Guest {
  readonly port: string;
  readonly node: string;
  readonly namespace: string;
  readonly ips: readonly string[];
}

/** Ports of the southbound by their Ethernet addresses, and the namespaces that have these. */
async function guestsOf(lab: VirtualLab): Promise<Guest[]> {
  const list = await lab.sh("central", "ovn-sbctl --bare --columns=logical_port,mac,type find Port_Binding chassis!=[]");
  const ports = new Map(
    list.split("\n\n").flatMap((row) => {
      const [port = "", mac = "", type = ""] = row.split("\n");
      return type === "" ? [[mac.split(" ")[0] ?? "", port] as const] : [];
    }),
  );
  return [...lab.lab.nodes.values()].flatMap(({ name: node, machine }) =>
    [...machine.namespaces.values()].flatMap(({ name: namespace, sortedDevices, addresses }) =>
      sortedDevices.flatMap((device) => {
        const port = ports.get(formatMac(device.mac));
        const ips = addresses.filter((address) => address.device === device).map(({ network }) => formatIp(network.address));
        // Without a lease it sends nothing.
        return port === undefined || !ips.some(isIpv4) ? [] : [{ port, node, namespace, ips }];
      }),
    ),
  );
}

const isIpv4 = (ip: string): boolean => /^\d+\.\d+\.\d+\.\d+$/.test(ip);

/** IPv4 addresses that somebody or something has, but for those of the underlay, which guests have no way to. */
async function targetsOf(lab: VirtualLab): Promise<string[]> {
  const machines = [...lab.lab.nodes.values()].flatMap(({ machine }) =>
    [machine.root, ...machine.namespaces.values()].flatMap(({ addresses }) =>
      addresses.map(({ network }) => formatIp(network.address)),
    ),
  );
  const { nodes } = lab.lab.definition;
  const nics = Object.values(nodes).flatMap(({ services = [], nics: all = {} }) =>
    services.length > 0 ? Object.values(all) : [],
  );
  const underlay = nics.flatMap(({ address = [] }) => address).map((text) => text.split("/")[0]);
  const translated = await lab.sh("central", "ovn-nbctl --bare --columns=external_ip find NAT type=dnat_and_snat");
  const all = [...machines, ...translated.split("\n")];
  return [...new Set(all.filter((ip) => isIpv4(ip) && !ip.startsWith("127.") && !underlay.includes(ip)))];
}

/** Where the packet itself has left a hypervisor. Who is on a physical network gets what its switches send there. */
function placesOf({ there }: TraceReport): string[] {
  return there.stations.flatMap((station) =>
    station.of === undefined && (station.kind === "delivered" || station.kind === "physical") && !station.device.startsWith("br-")
      ? [`${station.node} ${station.device}`]
      : [],
  );
}

describe.each(["where-is-my-packet", "gateways", "dvr"])("lab %s", (name) => {
  it("sees packets where the trace says", { timeout: 120_000 }, async () => {
    const lab = await VirtualLab.up(parseLab(builtinLabs.get(name)!, name));
    await lab.runtime.clock.run(lab.runtime.clock.sleep(3000));
    const guests = await guestsOf(lab);
    const targets = await targetsOf(lab);
    const chance = seededRandom(11);
    const wrong: string[] = [];
    let answered = 0;
    for (let i = 0; i < PINGS; i++) {
      const { port, node, namespace, ips } = guests[chance.below(guests.length)]!;
      const others = targets.filter((ip) => !ips.includes(ip));
      const target = others[chance.below(others.length)]!;
      const ping = `ip netns exec ${namespace} ping -c1 -W2 ${target}`;
      // Whoever can be learned is known by then.
      await lab.sh(node, ping);
      const said = await lab.sh("central", `weft trace --json ${port} ${target}`);
      // A guest without a gateway sends nothing to other networks.
      if (/^weft trace: .* (its switch has no router port|has no IPv4)/.test(said)) continue;
      const report = JSON.parse(said) as TraceReport;
      const recorder = new EchoRecorder(lab.lab);
      const got = (await lab.sh(node, ping)).includes("1 received");
      recorder.stop();
      const seen = new Set(recorder.first().request.map(({ node: at, device }) => `${at} ${device}`));
      const lost = placesOf(report).filter((place) => !seen.has(place));
      if (got !== (report.outcome === "delivered") || (got && lost.length > 0))
        wrong.push(
          `${port} ${target}: ${report.verdict}; but it ${got ? "was" : "was not"} answered, and not seen at ${lost.join()}`,
        );
      if (got) answered++;
    }
    await lab.down();
    expect(wrong).toEqual([]);
    expect(answered).toBeGreaterThan(1);
  });
});
