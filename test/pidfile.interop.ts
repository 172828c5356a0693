/**
 * The pid files of our daemons under the reference's ovs-appctl and ovn-appctl, which find a daemon by its name only where its
 * pid file is locked; and against second and dead daemons. Beside the reference's daemons.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { linkPrograms, programsOf, type Side, schemasOf } from "./reference/cloud.ts";

linkPrograms();

/** Each with what it needs, in the folder of all databases and sockets, and the program that reaches it. */
const daemons = [
  { name: "ovsdb-server", appctl: "ovs-appctl", args: "--remote=punix:a.sock a.db" },
  { name: "ovs-vswitchd", appctl: "ovs-appctl", args: "--enable-dummy --disable-system unix:db.sock" },
  { name: "ovn-northd", appctl: "ovn-appctl", args: "--ovnnb-db=unix:db.sock --ovnsb-db=unix:db.sock" },
  { name: "ovn-controller", appctl: "ovn-appctl", args: "unix:db.sock" },
  { name: "ovn-nbctl", appctl: "ovn-appctl", args: "--db=unix:db.sock" },
] as const;

/** What a shell says of one daemon's life; `$programs` has the daemon, PATH the reference's commands. */
const LIFE = `
  for db in ovn/ovn-nb ovn/ovn-sb openvswitch/vswitch; do ovsdb-tool create \${db#*/}.db $SCHEMAS/$db.ovsschema; done
  cp vswitch.db a.db
  ovsdb-server --detach --no-chdir --pidfile=db.pid --unixctl=db.ctl --remote=punix:db.sock -vconsole:off vswitch.db ovn-nb.db ovn-sb.db
  start() { $programs/$daemon --detach --no-chdir --pidfile -vconsole:off "$@" $args >/dev/null; echo "start: $?"; }
  ask() { $appctl -t $daemon "$@"; echo "$*: $?"; }
  pid() { cat $daemon.pid; }
  start
  first=$(pid)
  ask version
  start --unixctl=second.ctl
  kill -9 $first; until ! kill -0 $first; do sleep 0.05; done 2>/dev/null
  ask version
  start
  second=$(pid)
  ask version
  ask exit
  until ! kill -0 $second; do sleep 0.05; done 2>/dev/null
  ls *.pid
  echo $$ > $daemon.pid
  ask version
  start
  third=$(pid)
  kill $third
  until ! kill -0 $third; do sleep 0.05; done 2>/dev/null
  kill $(cat db.pid)`;

function life(side: Side, { name, appctl, args }: (typeof daemons)[number]): string {
  const dir = mkdtempSync(join(tmpdir(), "weft-pidfile-"));
  try {
    const { stdout, stderr, status } = spawnSync("bash", ["-c", `{ ${LIFE}\n} 2>&1`], {
      cwd: dir,
      encoding: "utf8",
      timeout: 120_000,
      env: {
        ...process.env,
        ...Object.fromEntries(
          ["RUNDIR", "LOGDIR", "DBDIR"].flatMap((word) => [
            [`OVS_${word}`, dir],
            [`OVN_${word}`, dir],
          ]),
        ),
        PATH: `${programsOf("reference")}:${process.env["PATH"]}`,
        SCHEMAS: schemasOf("reference"),
        programs: programsOf(side),
        daemon: name,
        appctl,
        args,
      },
    });
    expect(status, stdout + stderr).toBe(0);
    const pids: string[] = [];
    return stdout
      .replaceAll(dir, "DIR")
      .replace(/^\d{4}-.*\n/gm, "")
      .replace(/\b(pid |\.)(\d{2,})\b/g, (_, before: string, pid: string) => {
        if (!pids.includes(pid)) pids.push(pid);
        return `${before}PID${pids.indexOf(pid)}`;
      });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

test.each(daemons)("$name", { timeout: 240_000 }, (daemon) => {
  const wanted = life("reference", daemon);
  expect(wanted).toMatch(/already running as pid/);
  expect(life("weft", daemon)).toBe(wanted);
});
