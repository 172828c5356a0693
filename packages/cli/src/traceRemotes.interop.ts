/**
 * Where ovn-trace, ovn-detrace and ovn-sbctl find their databases: clusters, lists of remotes, TCP and TLS, at the reference's servers and at
 * ours (relays of one cluster). What they print is the reference's text.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeCa, makeCertificate } from "./ovsdb/pki.ts";

const reference = process.env["OVN_REFERENCE"] ?? "/opt/ovn-reference/sid";
const root = fileURLToPath(new URL("../../../", import.meta.url));
const dir = mkdtempSync(join(tmpdir(), "weft-trace-remotes-"));
const env = { ...process.env, DIR: dir, PATH: `${reference}/bin:${process.env["PATH"]}`, OVS_RUNDIR: dir, OVN_RUNDIR: dir };

function sh(script: string): string {
  const text = `. ${root}test/reference/cloud.sh\n${script}`;
  return execFileSync("bash", ["-ec", text], { env, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
}

type Side = "weft" | "reference";
type Database = "nb" | "sb";

/** A relay of each database, with a socket, a TCP port and a TLS port. */
const RELAYS = `
for which in nb sb; do
  name=$([[ $which == nb ]] && echo OVN_Northbound || echo OVN_Southbound)
  daemon $DIR/central $SIDE-$which $(prog OVSDB_SERVER ovsdb-server) --remote=punix:$DIR/central/$SIDE-$which.sock \\
    --remote=ptcp:0:127.0.0.1 --remote=pssl:0:127.0.0.2 --private-key=$DIR/server-key.pem --certificate=$DIR/server.pem \\
    --ca-cert=$DIR/ca.pem relay:$name:$(cat $DIR/central/$which.remotes)
  ovsdb-client --timeout=30 wait unix:$DIR/central/$SIDE-$which.sock $name connected
done`;

let southboundRow: string;

beforeAll(() => {
  makeCa(dir, "ca");
  makeCa(dir, "other");
  makeCertificate(dir, "ca", "server");
  makeCertificate(dir, "ca", "client");
  sh(`cluster_start 3; northd_add northd
ovn-nbctl --wait=sb ls-add n1 -- lsp-add n1 np1 -- lsp-set-addresses np1 "00:00:00:00:01:01 10.1.0.1" -- lsp-add n1 np2 -- lsp-set-addresses np2 unknown \\
  -- acl-add n1 to-lport 100 ip4 allow-related
SIDE=reference; ${RELAYS}
export OVSDB_SERVER=$DIR/bin; mkdir -p $OVSDB_SERVER
printf '#!/bin/sh\\nexec %s %s ovsdb-server "$@"\\n' "${process.execPath}" "${root}packages/cli/bin/weft.js" >$OVSDB_SERVER/ovsdb-server
chmod +x $OVSDB_SERVER/ovsdb-server
SIDE=weft; ${RELAYS}`);
  southboundRow = sh("ovn-sbctl --db=$(cat $DIR/central/sb.remotes) --bare --columns=_uuid find Port_Binding logical_port=np1");
});

afterAll(() => {
  sh("cloud_stop");
  rmSync(dir, { recursive: true, force: true });
});

/** The address and port that a relay listens on: by TCP at 127.0.0.1, by TLS at 127.0.0.2. */
function place(server: Side, database: Database, address: string): string {
  const log = readFileSync(join(dir, `central/${server}-${database}.log`), "utf8");
  const found = new RegExp(`0:${address}: listening on port (\\d+)`).exec(log);
  if (found === null) throw new Error(`${server}-${database} does not listen on ${address}`);
  return `${address}:${found[1]}`;
}

function answer(side: Side, program: string, args: readonly string[]) {
  const command = side === "weft" ? [process.execPath, join(root, "packages/cli/bin/weft.js"), program] : [program];
  const input = program === "ovn-detrace" ? ` 0. ip, priority 1, cookie 0x${southboundRow.slice(0, 8)}\n    drop\n` : "";
  const { status, stdout } = spawnSync(command[0]!, [...command.slice(1), ...args], {
    env,
    encoding: "utf8",
    input,
    timeout: 30_000,
  });
  return { status, stdout };
}

const MICROFLOW = `inport == "np1" && eth.src == 00:00:00:00:01:01 && eth.dst == 00:00:00:00:00:99 && ip4.src == 10.1.0.1 && ip4.dst == 9.9.9.9 && udp`;

/** The same question to the databases at `remote`, by each program, with the reference's answer. */
function ask(remote: (database: Database) => string, more: readonly string[] = []): void {
  const lines: readonly (readonly [program: string, args: readonly string[], part: string])[] = [
    ["ovn-trace", [`--db=${remote("sb")}`, ...more, "n1", MICROFLOW], "output to"],
    ["ovn-sbctl", [`--db=${remote("sb")}`, "--timeout=20", ...more, "lflow-list", "n1"], "ls_in_acl_eval"],
    ["ovn-detrace", [`--ovnsb=${remote("sb")}`, `--ovnnb=${remote("nb")}`, ...more], "* Port Binding:"],
  ];
  for (const [program, args, part] of lines) {
    const theirs = answer("reference", program, args);
    expect(theirs.stdout, `${program} of the reference at ${args[0]}`).toContain(part);
    expect(answer("weft", program, args), `${program} at ${args[0]}`).toEqual(theirs);
  }
}

/** A relay is no leader. */
const ANY = ["--no-leader-only"];

describe("a cluster of three", () => {
  const remotes = (database: Database): string[] =>
    readFileSync(join(dir, `central/${database}.remotes`), "utf8")
      .trim()
      .split(",");

  it("whose leader is looked for", () => ask((database) => remotes(database).join(",")));

  it("any of which will do", () => ask((database) => remotes(database)[2] as string, ANY));

  it("of which some are not there", () =>
    ask((database) => ["tcp:127.0.0.1:1", ...remotes(database), "unix:/nowhere"].join(",")));
});

describe.each(["reference", "weft"] as const)("servers: %s", (server) => {
  const files = (name: string, ca: string): string[] => [
    `-p`,
    `${dir}/${name}-key.pem`,
    `-c`,
    `${dir}/${name}.pem`,
    `-C`,
    `${dir}/${ca}.pem`,
  ];
  const secure = (database: Database): string => `ssl:${place(server, database, "127.0.0.2")}`;

  it("a socket", () => ask((database) => `unix:${dir}/central/${server}-${database}.sock`, ANY));

  it("a TCP port", () => ask((database) => `tcp:${place(server, database, "127.0.0.1")}`, ANY));

  it("a relay is taken for no leader", () => {
    const args = [`--db=unix:${dir}/central/${server}-sb.sock`, "--timeout=5", "show"];
    expect(answer("weft", "ovn-sbctl", args)).toEqual(answer("reference", "ovn-sbctl", args));
  });

  it("TLS", () => ask(secure, [...ANY, ...files("client", "ca")]));

  it("TLS, with an authority that has not signed the server's certificate", () => {
    const args = [`--ovnsb=${secure("sb")}`, `--ovnnb=${secure("nb")}`, ...files("client", "other")];
    expect(answer("weft", "ovn-detrace", args)).toEqual(answer("reference", "ovn-detrace", args));
    for (const side of ["reference", "weft"] as const) {
      const { status } = answer(side, "ovn-sbctl", [`--db=${secure("sb")}`, "--timeout=2", ...files("client", "other"), "show"]);
      expect(status, side).not.toBe(0);
    }
  });
});

describe("flows of the databases behind them", () => {
  const list = [
    ["--vflows", "lflow-list"],
    ["--vflows", "--uuid", "lflow-list", "n1"],
    ["--stats", "lflow-list"],
    ["--stats", "--vflows", "dump-flows", "n1"],
    ["--vflows=unix:/nowhere", "lflow-list"],
    ["--ovs=unix:/nowhere", "lflow-list", "n1", "3"],
    ["--uuid", "lflow-list", "n1", "0x1", "02"],
    ["--uuid", "lflow-list", "n1", "3", "0x00A"],
    ["lflow-list", "0"],
    ["lflow-list", "n1", "xyz"],
  ];
  it.each(list.map((words) => [words]))("ovn-sbctl %j", (words) => {
    const args = [`--db=unix:${dir}/central/weft-sb.sock`, ...ANY, ...words];
    // rows other than flows come in no order of meaning
    const lines = (side: Side) => {
      const { status, stdout } = answer(side, "ovn-sbctl", args);
      return { status, lines: words.some((word) => word.startsWith("--vflows")) ? stdout.split("\n").sort() : stdout };
    };
    expect(lines("weft")).toEqual(lines("reference"));
  });
});
