/** A hypervisor and the commands of the reference join a lab from outside, over real TCP and UDP. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lab, machineCommands, parseLab } from "@weft/lab";
import { nodeRuntime } from "@weft/runtime";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { labPrograms } from "./programs.ts";
import { canMakeNamespaces, OutsideHypervisor, real, referenceProgram } from "./reference.ts";

/** Networks for documentation (RFC 5737), which no host has by itself. */
const text = `
name: joined
networks:
  underlay: { real: true }
nodes:
  central:
    nics: { eth1: { network: underlay, address: 198.51.100.10/24 } }
    services: [ovn-central]
    listen: 203.0.113.1:0
    provision: |
      ovn-nbctl ls-add net0
      ovn-nbctl lsp-add net0 inside -- lsp-set-addresses inside "40:44:00:00:00:01 10.0.0.1"
      ovn-nbctl lsp-add net0 outside -- lsp-set-addresses outside "40:44:00:00:00:02 10.0.0.2"
  worker1:
    nics: { eth1: { network: underlay, address: 198.51.100.100/24 } }
    services: [ovn-host]
    provision: |
      ovs-vsctl set open . external-ids:system-id=worker1 external-ids:ovn-remote=tcp:198.51.100.10:6642 external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=198.51.100.100
      ovs-vsctl add-port br-int inside -- set Interface inside type=internal external_ids:iface-id=inside
      ip netns add inside
      ip link set inside netns inside
      ip netns exec inside ip link set inside address 40:44:00:00:00:01 mtu 1400
      ip netns exec inside ip addr add 10.0.0.1/24 dev inside
      ip netns exec inside ip link set inside up
`;

describe.skipIf(!canMakeNamespaces)("a hypervisor of the reference outside", () => {
  const outside = new OutsideHypervisor({
    inside: ["198.51.100.10", "198.51.100.100"],
    tunnel: "198.51.100.200/24",
    control: ["203.0.113.1/24", "203.0.113.2/24"],
  });
  let lab: Lab;
  const endpoint = (port: number) => lab.published.find((open) => open.port === port)?.endpoint ?? "";
  const nbctl = (...args: readonly string[]) =>
    real(referenceProgram("ovn-nbctl"), "--timeout=20", `--db=${endpoint(6641)}`, ...args);
  const sbctl = (...args: readonly string[]) =>
    real(referenceProgram("ovn-sbctl"), "--timeout=20", `--db=${endpoint(6642)}`, ...args);

  beforeAll(async () => {
    await outside.wire();
    const runtime = nodeRuntime();
    lab = new Lab(parseLab(text, "joined"), runtime, labPrograms, machineCommands, runtime.net);
    await lab.start();
    await outside.start(endpoint(6642));
    await outside.vsctl(
      ..."add-port br-int vm9 -- set Interface vm9 type=internal external_ids:iface-id=outside mtu_request=1400".split(" "),
    );
    await outside.run("ip", "link", "set", "vm9", "address", "40:44:00:00:00:02");
    await outside.run("ip", "addr", "add", "10.0.0.2/24", "dev", "vm9");
    await outside.run("ip", "link", "set", "vm9", "up");
    await nbctl("--wait=hv", "sync");
  });
  afterAll(async () => {
    await lab?.stop();
    await outside.close();
  });

  it("is a chassis of the lab's cloud, and has its port", async () => {
    const [, block = ""] = (await sbctl("show")).split("Chassis outside\n");
    expect(block).toMatch(/^ {4}hostname: .*\n {4}Encap geneve\n {8}ip: "198\.51\.100\.200"\n.*\n {4}Port_Binding outside\n/);
    expect(await sbctl("get", "port_binding", "inside", "up")).toBe("true\n");
  });

  it("its guest pings the lab's guest, with the real ping", async () => {
    expect(await outside.run("ping", "-c3", "-W5", "10.0.0.1")).toContain("3 packets transmitted, 3 received, 0% packet loss");
  });

  it("the lab's guest pings it, and the lab's tcpdump shows Geneve to and from the real address", async () => {
    const capture = lab.output("worker1", "tcpdump -vvnnei eth1 -c2 inner icmp".split(" "));
    const { stdout } = await lab.output("worker1", "ip netns exec inside ping -c3 10.0.0.2".split(" "));
    expect(stdout).toContain("3 packets transmitted, 3 received, 0% packet loss");
    const seen = (await capture).stdout;
    expect(seen).toMatch(/198\.51\.100\.100\.\d+ > 198\.51\.100\.200\.6081: \[udp sum ok\] Geneve, Flags \[C\]/);
    expect(seen).toMatch(/198\.51\.100\.200\.\d+ > 198\.51\.100\.100\.6081: (\[udp sum ok\] )?Geneve, Flags \[C\]/);
  });

  it("TCP and large datagrams pass as well", async () => {
    const listening = lab.output("worker1", "ip netns exec inside nc -l -p 5000".split(" "));
    await outside.run("bash", "-c", "head -c 200000 /dev/zero | tr '\\0' x | timeout 20 nc -N 10.0.0.1 5000");
    expect((await listening).stdout.length).toBe(200_000);
    expect(await outside.run("ping", "-c2", "-W5", "-s", "1372", "10.0.0.1")).toContain(" 0% packet loss");
  });

  it("what is no tunnel does not leave the lab", async () => {
    const { stdout } = await lab.output("worker1", "ping -c1 198.51.100.200".split(" "));
    expect(stdout).toContain("From 198.51.100.200 icmp_seq=1 Packet filtered");
  });
});

describe("a lab open to the host", () => {
  it("a real address that the host does not have is refused when the lab comes up, with what to do", async () => {
    const runtime = nodeRuntime();
    const lab = new Lab(parseLab(text, "joined"), runtime, labPrograms, machineCommands, runtime.net);
    await expect(lab.start()).rejects.toThrow(
      "198.51.100.10:6081: Cannot assign requested address (the host must have the address",
    );
    await lab.stop();
  });

  it("weft lab up --listen: the reference's ovn-nbctl writes, the lab's own reads", async () => {
    const folder = mkdtempSync(join(tmpdir(), "weft-lab-"));
    const weft = (...args: readonly string[]) =>
      real("env", `WEFT_LAB_DIR=${folder}`, process.execPath, join(import.meta.dirname, "../../bin/weft.js"), "lab", ...args);
    try {
      const said = await weft("up", "trunks", "--detach", "--listen=127.0.0.1:0");
      const [, northbound = ""] = /northbound database on (tcp:127\.0\.0\.1:\d+)\n/.exec(said) ?? [];
      await real(referenceProgram("ovn-nbctl"), `--db=${northbound}`, "--wait=hv", "ls-add", "from-outside");
      expect(await weft("exec", "central", "--", "ovn-nbctl", "ls-list")).toMatch(/\(from-outside\)\n/);
    } finally {
      await weft("down");
      rmSync(folder, { recursive: true });
    }
  });
});
