import { type Program, virtualRuntime } from "@weft/runtime";
import { expect, it } from "vitest";
import { ovsdbServer } from "./ovsdb/server.ts";
import { vswitchd } from "./vswitchd.ts";

/** What a program says to options that it refuses. */
async function said(program: Program, args: readonly string[]): Promise<string> {
  const runtime = virtualRuntime();
  let text = "";
  const out = { write: (more: string | Uint8Array) => void (text += more), isTerminal: false };
  const host = {
    runtime,
    env: {},
    cwd: "/",
    hostname: "h",
    pid: 1,
    stdin: (async function* () {})(),
    stdout: out,
    stderr: out,
    signal: new AbortController().signal,
  };
  const code = await runtime.clock.run(
    program(args, host).catch((error: Error) => {
      text += error.message;
      return 1;
    }),
  );
  return `${code} ${text.trim()}`;
}

it("options that would change what a daemon does, and are not done, are refused", async () => {
  expect(await said(ovsdbServer, ["--remote=pfd:3", "--no-dbs"])).toMatch(/^1 .*pfd:3: .*not supported/);
  for (const option of ["--replay=x", "--monitor", "--run=true", "--user=nobody"]) {
    expect(await said(ovsdbServer, [option, "--no-dbs"])).toMatch(/^1 .*is not supported/);
  }
  expect(await said(ovsdbServer, ["--ssl-protocols=SSLv3", "--no-dbs"])).toMatch(/^1 .*SSLv3: SSL\/TLS protocol not recognized/);
  expect(await said(ovsdbServer, ["--record", "--no-dbs"])).toMatch(/^1 .*--record is not supported/);
  expect(await said(vswitchd, ["--enable-dummy=nonsense"])).toBe('1 ovs-vswitchd: unknown argument "nonsense" to --enable-dummy');
});
