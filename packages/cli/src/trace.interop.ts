/** ovn-trace as a program: options, errors and exit codes, names and partial uuids, and the daemon, as the reference's. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const reference = process.env["OVN_REFERENCE"] ?? "/opt/ovn-reference/sid";
const root = fileURLToPath(new URL("../../../", import.meta.url));
const dir = mkdtempSync(join(tmpdir(), "weft-trace-program-"));
const remote = `unix:${dir}/central/sb.sock`;
const env = {
  ...process.env,
  DIR: dir,
  PATH: `${reference}/bin:${process.env["PATH"]}`,
  OVN_SB_DB: remote,
  OVS_RUNDIR: dir,
  OVN_RUNDIR: dir,
};

function sh(script: string): string {
  const text = `. ${root}test/reference/cloud.sh\nexport OVN_NB_DB=unix:$DIR/central/nb.sock\n${script}`;
  return execFileSync("bash", ["-ec", text], { env, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
}

type Side = "weft" | "reference";

function run(side: Side, program: string, ...args: readonly string[]) {
  const command = side === "weft" ? [process.execPath, join(root, "packages/cli/bin/weft.js"), program] : [program];
  const { status, stdout, stderr } = spawnSync(command[0]!, [...command.slice(1), ...args], { env, encoding: "utf8" });
  // when a line was logged, and how a program was found, is its own
  const errors = stderr.replace(/^\S+Z\|\d+\|/gm, "").replace(/^\S*\/(?=ovn-trace: )/gm, "");
  return { status, stdout, errors };
}

beforeAll(() => {
  sh(`cloud_start
ovn-nbctl ls-add n1 -- lsp-add n1 np1 -- lsp-set-addresses np1 "00:00:00:00:01:01 10.1.0.1" -- lsp-add n1 np2 -- lsp-set-addresses np2 unknown \\
  -- ls-add n2 -- lsp-add n2 other -- lsp-add n1 3dda9ea5-1111-4222-8333-abcdefabcdef -- lsp-add n1 3dda9ea5-2222-4222-8333-abcdefabcdef
ovn-nbctl acl-add n1 to-lport 100 ip4 allow-related -- set Logical_Switch n1 'external_ids:"neutron:network_name"=friendly'
ovn-nbctl --wait=sb set Logical_Switch_Port np2 'external_ids:"neutron:port_name"=second'`);
});

afterAll(() => {
  sh("cloud_stop");
  rmSync(dir, { recursive: true, force: true });
});

const MICROFLOW = `inport == "np1" && eth.src == 00:00:00:00:01:01 && eth.dst == 00:00:00:00:00:99 && ip4.src == 10.1.0.1 && ip4.dst == 9.9.9.9 && ip.ttl == 1 && udp`;

describe("the same as the reference's", () => {
  const options = [
    [],
    ["--all"],
    ["--detailed", "--minimal"],
    ["--min"],
    ["--no-friendly-names"],
    ["--friendly-names", "--no-friendly-names"],
    ["--leader-only"],
    ["--no-leader-only"],
    ["--ct=new"],
    ["--ct="],
    ["--ct=foo"],
    ["--ct=new,est"],
    ["--ct=new,rpl"],
    ["--ct=inv,est"],
    ["--lb-dst=10.0.0.1:80"],
    ["--lb-dst=[::1]:80"],
    ["--lb-dst=::1"],
    ["--lb-dst=1.2.3.4:"],
    ["--lb-dst=foo"],
    ["--lb-dst="],
    ["--lb-dst=1.2.3.4:99999"],
    ["--select-id=1"],
    ["--select-id=0"],
    ["--select-id=x"],
    ["--select-id=70000"],
    ["--ovs=unix:/nowhere"],
    ["--db=unix:/nowhere"],
    ["--db=tcp:127.0.0.1:1"],
    ["--db=foo:bar"],
    ["--det"],
    ["--bogus"],
  ];
  it.each(options.map((words) => [words]))("options %j", (words) => {
    const args = [...words, "n1", MICROFLOW];
    expect(run("weft", "ovn-trace", ...args)).toEqual(run("reference", "ovn-trace", ...args));
  });

  const lines = [
    [],
    ["a", "b", "c"],
    [""],
    ["n1", ""],
    [MICROFLOW],
    ["friendly", MICROFLOW],
    ["nowhere", MICROFLOW],
    ["n2", MICROFLOW],
    ["n1", 'inport == "nowhere"'],
    ["n1", 'inport == "second"'],
    ["n1", 'inport == "3dda"'],
    ["n1", 'inport == "3dda9ea5-1"'],
    ["n1", "inport == np1"],
    ["n1", 'inport == "np1" &&'],
    ["n1", 'inport == "np1" && ip4 && ip6'],
    ["n1", 'inport == "np1" && is_chassis_resident("nobody")'],
    ["n1", 'inport == {"np1", "np2"}'],
    ["--detach", "n1", MICROFLOW],
  ];
  it.each(lines.map((words) => [words]))("arguments %j", (words) => {
    expect(run("weft", "ovn-trace", ...words)).toEqual(run("reference", "ovn-trace", ...words));
  });

  it("uuids, whole and cut, of the switch and of its datapath", () => {
    for (const command of [
      "ovn-nbctl --bare --columns=_uuid find Logical_Switch name=n1",
      "ovn-sbctl --bare --columns=_uuid find Datapath_Binding external_ids:name=n1",
    ]) {
      const uuid = sh(command);
      for (const length of [36, 20, 8, 4, 3, 2]) {
        const args = [uuid.slice(0, length), MICROFLOW];
        expect(run("weft", "ovn-trace", ...args)).toEqual(run("reference", "ovn-trace", ...args));
      }
    }
  });

  it("a daemon that is asked through its control socket, and told to exit", () => {
    const asked = [
      ["n1", MICROFLOW],
      ["--all", "n1", MICROFLOW],
      ["--summary", MICROFLOW],
      ["nowhere", MICROFLOW],
      [],
      ["a", "b", "c"],
      ["--bogus", MICROFLOW],
    ];
    const answers = (["reference", "weft"] as const).map((side) => {
      const ctl = join(dir, `${side}.ctl`);
      const start = run(side, "ovn-trace", "--detach", "--no-chdir", `--pidfile=${dir}/${side}.pid`, `--unixctl=${ctl}`);
      const replies = asked.map((words) => run("reference", "ovn-appctl", "-t", ctl, "trace", ...words));
      const end = run("reference", "ovn-appctl", "-t", ctl, "exit");
      return [start, ...replies, end].map(({ status, stdout, errors }) => [status, stdout, errors.replaceAll(ctl, "CTL")]);
    });
    expect(answers[1]).toEqual(answers[0]);
  });
});
