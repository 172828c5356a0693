import { createServer, memoryDatabase } from "@weft/ovsdb";
import { type Host, type Program, type VirtualRuntime, virtualRuntime } from "@weft/runtime";
import { openVSwitch, ovnNorthbound } from "@weft/schemas";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { words } from "./differential.ts";
import { ovnNbctl } from "./nbctl.ts";
import { ovsVsctl } from "./vsctl.ts";

/** Programs and servers in one process, without network, files or time. */
class World {
  readonly runtime: VirtualRuntime = virtualRuntime({ seed: 5 });

  async start(): Promise<this> {
    const { runtime } = this;
    for (const [schema, socket] of [
      [ovnNorthbound, "/var/run/ovn/ovnnb_db.sock"],
      [openVSwitch, "/var/run/openvswitch/db.sock"],
    ] as const) {
      await createServer({ runtime, databases: [memoryDatabase(runtime, schema)], remotes: [`punix:${socket}`] });
    }
    return this;
  }

  async run(
    program: Program,
    line: string | readonly string[],
    env: Host["env"] = {},
  ): Promise<{ out: string; err: string; code: number }> {
    const answer = { out: "", err: "", code: -1 };
    const host: Host = {
      runtime: this.runtime,
      env,
      cwd: "/",
      hostname: "test",
      pid: 1,
      stdin: (async function* () {})(),
      stdout: { write: (text) => void (answer.out += text), isTerminal: false },
      stderr: { write: (text) => void (answer.err += text), isTerminal: false },
      signal: new AbortController().signal,
    };
    const done = program(typeof line === "string" ? words(line) : line, host).then((code) => {
      answer.code = code;
    });
    for (let i = 0; i < 50 && answer.code < 0; i++) await this.runtime.clock.advance(100);
    await done;
    return answer;
  }
}

let world: World;
beforeAll(async () => {
  world = await new World().start();
});

describe("ovn-nbctl", () => {
  test("options from the environment stand in front of those that are typed", async () => {
    const env = { OVN_NBCTL_OPTIONS: "--dry-run  --oneline" };
    expect(await world.run(ovnNbctl, "ls-add never -- comment", env)).toEqual({ code: 0, err: "", out: "\n\n" });
    expect(await world.run(ovnNbctl, "--bare --columns=name find Logical_Switch name=never")).toMatchObject({ code: 0, out: "" });
  });
  test("several commands make one transaction", async () => {
    expect(await world.run(ovnNbctl, "ls-add sw0 -- lsp-add sw0 p1 -- lsp-set-addresses p1 unknown")).toMatchObject({
      code: 0,
      err: "",
    });
    expect((await world.run(ovnNbctl, "lsp-get-addresses p1")).out).toBe("unknown\n");
    expect(await world.run(ovnNbctl, "ls-add sw1 -- ls-add sw0")).toMatchObject({ code: 1 });
    expect((await world.run(ovnNbctl, "--bare --columns=name find logical_switch name=sw1")).out).toBe("");
  });

  test("rows are named to refer to them before they are there", async () => {
    const line = "-- set logical_switch_port p1 dhcpv4_options=@d -- --id=@d create dhcp_options cidr=10.0.0.0/24";
    const { out } = await world.run(ovnNbctl, line);
    expect((await world.run(ovnNbctl, "get logical_switch_port p1 dhcpv4_options")).out).toBe(out);
  });

  test("wait-until waits for a change by somebody else", async () => {
    const waiting = world.run(ovnNbctl, "wait-until logical_router r1 -- get logical_router r1 name");
    await world.run(ovnNbctl, "lr-add r1");
    expect(await waiting).toMatchObject({ out: "r1\n", code: 0 });
  });

  test("a time-out ends like SIGALRM does", async () => {
    const { code, err } = await world.run(ovnNbctl, "--timeout=2 wait-until logical_router never");
    expect(code).toBe(142);
    expect(err).toContain("terminating with signal 14");
  });

  test("nobody at the other end", async () => {
    expect(await world.run(ovnNbctl, "--db=unix:/nowhere ls-list")).toMatchObject({ code: 1, out: "" });
  });

  test("any words are answered", { timeout: 60_000 }, async () => {
    const names = [
      "ls-add",
      "set",
      "find",
      "list",
      "create",
      "acl-add",
      "lr-route-add",
      "lr-nat-add",
      "lb-add",
      "--id=@x",
      "--",
      "nb_global",
      ".",
    ];
    const word = fc.oneof(
      fc.constantFrom(...names),
      fc.string(),
      fc.constantFrom("name=", "options:a=b", "tag{in}1", "[", '"', "=x", ":"),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 7 }), async (args) => {
        const { code } = await world.run(ovnNbctl, ["--dry-run", "--timeout=1", ...args]);
        expect([0, 1, 142]).toContain(code);
      }),
      { numRuns: 200 },
    );
  });
});

describe("ovs-vsctl", () => {
  test("a bridge with its ports", async () => {
    await world.run(
      ovsVsctl,
      "--no-wait add-br br0 -- add-port br0 p1 -- set interface p1 type=internal external_ids:iface-id=lport",
    );
    expect((await world.run(ovsVsctl, "list-ports br0")).out).toBe("p1\n");
    expect((await world.run(ovsVsctl, "get interface p1 external_ids:iface-id")).out).toBe("lport\n");
    expect((await world.run(ovsVsctl, "br-exists nope")).code).toBe(2);
    expect((await world.run(ovsVsctl, "show")).out.split("\n")[1]).toBe("    Bridge br0");
  });
});
