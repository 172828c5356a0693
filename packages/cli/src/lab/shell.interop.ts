/** The posts' pipes, in the user's own shell on the machines of a lab that runs in the background. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "weft-lab-"));

function weft(...args: readonly string[]): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const env = { ...process.env, WEFT_LAB_DIR: folder, SHELL: "/bin/bash" };
  const bin = join(import.meta.dirname, "../../bin/weft.js");
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [bin, "lab", ...args], { env, timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === "number" ? error.code : error ? 1 : 0, stdout, stderr });
    });
    child.stdin?.end();
  });
}

/** What a script prints in the shell of a machine. */
async function shell(node: string, script: string): Promise<string> {
  const { stdout, stderr } = await weft("shell", node, "-c", script);
  return stdout + stderr;
}

beforeAll(async () => {
  expect(await weft("up", "trunks", "--detach")).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^lab trunks is up: central, worker1, worker2\n/),
    stderr: "",
  });
});
afterAll(async () => {
  await weft("down");
  rmSync(folder, { recursive: true });
});

it.each([
  ["worker1", "ovs-ofctl dump-flows br-int table=0 |grep vlan", /^ cookie=.*,dl_vlan=30 actions=.*strip_vlan.*resubmit\(,8\)\n$/],
  ["worker1", "ovs-ofctl show br-int | grep vm1", /^ \d+\(vm1\): addr:40:44:00:00:00:01\n$/],
  ["worker2", "ovs-ofctl dump-flows br-int |grep mod_vlan_vid:50", / actions=mod_vlan_vid:50,output:\d+,strip_vlan\n$/],
  ["central", "ovn-sbctl find datapath_binding tunnel_key=2 | grep -o name=network2", /^name=network2\n$/],
  ["central", "ovn-sbctl get port_binding child1 tunnel_key", /^1\n$/],
  ["worker1", "ip netns exec vm1 ping 192.168.1.14 -c1 | grep -c 'ttl=64'", /^1\n$/],
  [
    "worker2",
    "ip netns exec vm2 ping 192.168.1.13 -c2 >/dev/null; ovs-ofctl dump-flows br-int table=65 | grep idle_age='[0-1],'",
    / actions=mod_vlan_vid:50,output:\d+,strip_vlan\n/,
  ],
  [
    "worker1",
    'for port in $(ovs-vsctl list-ports br-int | sort); do echo "<$port>"; done',
    /^<ovn-centra-0>\n<ovn-worker-0>\n<vm1>\n$/,
  ],
  ["worker1", "ip netns exec vm1 bash -c 'ip -br addr | grep child1'", /^child1@vm1 +UP +192\.168\.1\.13\/24 /],
  ["worker1", "hostname; nosuchcommand", /^worker1\n.*nosuchcommand: command not found\n$/],
])("[%s]# %s", async (node, script, expected) => {
  expect(await shell(node, script)).toMatch(expected);
});

it("a capture in the background sees a ping in the foreground, and goes into the user's own file", async () => {
  const script = `
    ip netns exec vm1 tcpdump -ni vm1 -c1 -w - icmp > ${folder}/one.pcap 2>/dev/null & sleep 1
    ip netns exec vm1 ping -c1 192.168.1.14 > /dev/null; wait
    tcpdump -ner - < ${folder}/one.pcap 2>/dev/null`;
  expect(await shell("worker1", script)).toMatch(/ vlan 30, .*192\.168\.1\.13 > 192\.168\.1\.14: ICMP echo request/);
});

it("exit codes are the commands' own", async () => {
  expect((await weft("shell", "worker1", "-c", "ip netns exec vm1 ping -c1 10.99.0.1")).code).toBe(2);
  expect((await weft("exec", "worker1", "--", "ip", "link", "show", "nosuch")).code).toBe(1);
  expect(await weft("shell", "nosuch", "-c", "true")).toEqual({
    code: 1,
    stdout: "",
    stderr: 'weft lab: there is no node "nosuch" (nodes: central, worker1, worker2)\n',
  });
});

it("a machine loses its power and gets it back; the disk remembers what databases had", async () => {
  expect(await weft("kill", "worker2")).toEqual({ code: 0, stdout: "", stderr: "" });
  expect((await weft("status")).stdout).toMatch(/\n {2}worker2 \(off\)\n/);
  expect(await weft("exec", "worker2", "--", "hostname")).toEqual({
    code: 1,
    stdout: "",
    stderr: "worker2 is off (weft lab start worker2)\n",
  });
  expect(await shell("worker1", "ip netns exec vm1 ping -c1 -W1 192.168.1.14")).toContain("0 received");
  expect(await weft("start", "worker2")).toEqual({ code: 0, stdout: "", stderr: "" });
  expect(await weft("start", "worker2")).toMatchObject({ code: 1, stderr: "weft lab: worker2 is running\n" });
  expect(await shell("worker2", "ovs-vsctl get Interface vm2 external_ids:iface-id")).toBe("vm2\n");
  await shell("central", "ovn-nbctl --wait=hv sync");
  expect(await shell("worker1", "ip netns exec vm1 ping -c1 192.168.1.14")).toContain("1 received");
});

it("a lab without faults says so; what is not the machine's is the user's own", async () => {
  expect(await weft("break", "mtu")).toMatchObject({
    code: 1,
    stderr: 'weft lab: lab trunks has no fault "mtu" (those of other labs: where-is-my-packet)\n',
  });
  expect((await weft("break", "--random")).stderr).toMatch(/^weft lab: lab trunks has no faults to be broken with \(/);
  expect(await weft("reveal")).toEqual({ code: 0, stdout: "the lab has no fault\n", stderr: "" });
  expect(await shell("worker1", "echo 'print(6 * 7)' | python3 -")).toBe("42\n");
  // Of the network none of the user's own commands could tell.
  expect(await weft("exec", "worker1", "--", "ip", "netns", "exec", "vm1", "tc", "qdisc", "show")).toEqual({
    code: 127,
    stdout: "",
    stderr: "tc: not a command of a lab's machines; your own would tell of this computer\n",
  });
  const served =
    "ip netns exec vm1 ip link set lo up; timeout 3 ip netns exec vm1 python3 -m http.server 80 > /dev/null 2>&1 & sleep 1; ip netns exec vm1 curl -sI 192.168.1.13; wait";
  expect(await shell("worker1", served)).toMatch(/^HTTP\/1\.0 200 OK\r\n/);
});
