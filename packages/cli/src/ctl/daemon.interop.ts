/** Daemon mode (ovn-nbctl(8), ovn-sbctl(8)): either client with either daemon answers as the reference's two do. */
import { type ExecFileException, execFile } from "node:child_process";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { type Host, nodeRuntime, type Program } from "@weft/runtime";
import { expect, test } from "vitest";
import { type Answer, normalise, reference, runOurs, Server, words } from "./differential.ts";
import { ovnNbctl } from "./nbctl.ts";
import { ovnSbctl } from "./sbctl.ts";

const runtime = nodeRuntime();
type Whose = "reference" | "weft";

interface Tool {
  readonly name: string;
  readonly program: Program;
  readonly schema: string;
  readonly database: string;
  readonly variable: string;
  readonly script: string;
}

const tools: readonly Tool[] = [
  {
    name: "ovn-nbctl",
    program: ovnNbctl,
    schema: "ovn/ovn-nb.ovsschema",
    database: "OVN_Northbound",
    variable: "OVN_NB_DAEMON",
    script: `
ls-add a
ls-add a
-f json --columns=name list logical_switch
--may-exist ls-add a
--if-exists ls-del b -- --may-exist ls-add c
ls-list
--oneline ls-list
--bare --columns=name list logical_switch
--no-headings -fcsv -dbare --columns=name,ports list logical_switch
--dry-run ls-add never
ls-list nosuch
acl-list nosuch
nosuch
--nosuch ls-list
--id=@p create logical_switch_port name=p -- add logical_switch a ports @p
--id=@p create logical_switch_port name=q
show a
get logical_switch a nosuch
wait-until logical_switch a name=a
comment hello
`,
  },
  {
    name: "ovn-sbctl",
    program: ovnSbctl,
    schema: "ovn/ovn-sb.ovsschema",
    database: "OVN_Southbound",
    variable: "OVN_SB_DAEMON",
    script: `
chassis-add w1 geneve 10.0.0.1
chassis-add w1 geneve 10.0.0.1
show
--bare --columns=name list chassis
lflow-list
chassis-del w1 -- show
`,
  },
];

/** Runs a program of the reference without holding up a daemon that lives in this process. */
function spawned(name: string, args: readonly string[], env: Host["env"]): Promise<Answer> {
  return new Promise((resolve) => {
    const done = (error: ExecFileException | null, stdout: string, stderr: string) => {
      resolve({ stdout, stderr, code: error === null ? 0 : typeof error.code === "number" ? error.code : 255 });
    };
    execFile(join(reference, "bin", name), args, { env: { ...process.env, ...env }, timeout: 20_000 }, done);
  });
}

class Daemon {
  readonly socket: string;
  readonly #ending = new AbortController();
  #ended: Promise<unknown> = Promise.resolve();

  constructor(server: Server) {
    this.socket = join(server.dir, "daemon.ctl");
  }

  /** Resolves when the daemon serves, to what it told its starter. */
  async start(whose: Whose, { name, program }: Tool, server: Pick<Server, "dir" | "remote">): Promise<string> {
    const args = ["--detach", `--db=${server.remote}`, "-u", this.socket, `--pidfile=${server.dir}/daemon.pid`, "-vconsole:off"];
    if (whose === "reference") {
      // It keeps its standard output open, and with it a pipe.
      const shell = `exec "$0" "$@" > ${server.dir}/said`;
      await new Promise((resolve) => execFile("/bin/sh", ["-c", shell, join(reference, "bin", name), ...args], resolve));
      return new TextDecoder().decode(await runtime.files.read(`${server.dir}/said`));
    }
    const none = { write: () => undefined, isTerminal: false };
    return new Promise((ready, failed) => {
      const host: Host = {
        runtime,
        env: process.env,
        cwd: "/",
        hostname: "test",
        pid: process.pid,
        stdin: (async function* () {})(),
        stdout: none,
        stderr: none,
        signal: this.#ending.signal,
        ready: (text = "") => ready(text),
      };
      this.#ended = program(args, host).then((code) => failed(new Error(`ended with ${code}`)));
    });
  }

  async stop(): Promise<void> {
    await spawned("ovs-appctl", ["-t", this.socket, "exit"], {});
    await this.#ended;
  }
}

/** What every line of the tool's script answers. */
async function session(tool: Tool, client: Whose, whose: Whose): Promise<(readonly [string, Answer])[]> {
  const server = await new Server(tool.schema, tool.database).start();
  const daemon = new Daemon(server);
  try {
    expect(await daemon.start(whose, tool, server)).toBe(`${daemon.socket}\n`);
    const answers: (readonly [string, Answer])[] = [];
    for (const line of tool.script.split("\n").filter((text) => text !== "")) {
      const env = { [tool.variable]: daemon.socket };
      const answer =
        client === "reference" ? await spawned(tool.name, words(line), env) : await runOurs(tool.program, words(line), env);
      answers.push([line, normalise(answer, server, true)]);
    }
    return answers;
  } finally {
    await daemon.stop();
    server.stop();
  }
}

const pairs = [
  ["weft", "reference"],
  ["reference", "weft"],
  ["weft", "weft"],
] as const;

test.each(tools)("$name", async (tool) => {
  const expected = await session(tool, "reference", "reference");
  for (const [client, daemon] of pairs)
    expect([client, daemon, await session(tool, client, daemon)]).toEqual([client, daemon, expected]);
});

test("a database that is named is asked without the daemon; no daemon is an error that says so", async () => {
  const [tool] = tools;
  const server = await new Server(tool!.schema, tool!.database).start();
  try {
    for (const line of [["--db", server.remote, "ls-list"], ["ls-list"]]) {
      const env = { OVN_NB_DAEMON: join(server.dir, "nobody.ctl") };
      const theirs = normalise(await spawned("ovn-nbctl", line, env), server, false);
      const ours = normalise(await runOurs(ovnNbctl, line, env), server, false);
      const withoutUnixctl = (text: string) => text.replace(/^.*\|unixctl\|WARN\|.*\n/gm, "").replace(/\|0000\d\|/g, "|");
      expect({ ...ours, stderr: withoutUnixctl(ours.stderr) }).toEqual({ ...theirs, stderr: withoutUnixctl(theirs.stderr) });
    }
  } finally {
    server.stop();
  }
});

test("a command that waits too long is answered, and the daemon lives on", async () => {
  const [tool] = tools;
  const server = await new Server(tool!.schema, tool!.database).start();
  const daemon = new Daemon(server);
  try {
    await daemon.start("weft", tool!, server);
    const run = (...line: readonly string[]) => spawned("ovs-appctl", ["-t", daemon.socket, "run", ...line], {});
    expect(await run("--timeout=1", "wait-until", "logical_switch", "nobody", "name=x")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("timeout of 1 seconds expired"),
    });
    expect(await run("ls-add", "a", "--", "ls-list")).toMatchObject({ code: 0, stdout: expect.stringContaining("(a)") });
    expect(await run("--db=x", "ls-list")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("unrecognized option '--db=x'"),
    });
  } finally {
    await daemon.stop();
    server.stop();
  }
});

/** Carries a server's connections over TCP and counts the probes of clients. */
async function probed(server: Server): Promise<{ readonly remote: string; probes(): number; close(): void }> {
  let probes = 0;
  const proxy = createServer((client) => {
    const behind = connect(server.remote.slice("unix:".length));
    client.on("data", (data) => (probes += data.toString("latin1").split('"method":"echo"').length - 1));
    client.pipe(behind).pipe(client);
    for (const [one, other] of [
      [client, behind],
      [behind, client],
    ] as const)
      one.on("close", () => other.destroy()).on("error", () => other.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const { port } = proxy.address() as AddressInfo; // what it listens on is no file
  return { remote: `tcp:127.0.0.1:${port}`, probes: () => probes, close: () => proxy.close() };
}

test.each(["reference", "weft"] as const)(
  "the %s daemon probes the server as often as nbctl_probe_interval says",
  async (whose) => {
    const [tool] = tools;
    const server = await new Server(tool!.schema, tool!.database).start();
    const proxy = await probed(server);
    const daemon = new Daemon(server);
    try {
      await daemon.start(whose, tool!, { dir: server.dir, remote: proxy.remote });
      const run = (...line: readonly string[]) => spawned("ovs-appctl", ["-t", daemon.socket, "run", ...line], {});
      await run("init");
      const probesBefore = proxy.probes();
      await run("set", "NB_Global", ".", "options:nbctl_probe_interval=1000");
      await run("ls-list");
      const deadline = runtime.clock.now() + 20_000;
      while (proxy.probes() === 0 && runtime.clock.now() < deadline) await runtime.clock.sleep(50);
      expect([probesBefore, proxy.probes() > 0]).toEqual([0, true]);
    } finally {
      await daemon.stop();
      proxy.close();
      server.stop();
    }
  },
);
