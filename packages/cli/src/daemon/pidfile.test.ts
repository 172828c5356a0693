import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigurableLogBook, type Host, nodeHost, nodeRuntime, WeftError } from "@weft/runtime";
import { afterEach, expect, test } from "vitest";
import { takePidfile } from "./pidfile.ts";

const dir = mkdtempSync(join(tmpdir(), "weft-pidfile-"));
afterEach(() => rmSync(join(dir, "x.pid"), { force: true }));

const lines: string[] = [];
const log = new ConfigurableLogBook(nodeRuntime().clock, "test");
log.setOutput("console", (line) => lines.push(line));
log.setThreshold(undefined, undefined, "info");

const withoutLocks: Host = {
  ...nodeHost("test"),
  fileLocks: () => Promise.reject(new WeftError("host.no-ffi", "files of this host cannot be locked: koffi does not load")),
};

test("without locks the log says so, and a process of that number counts as the daemon", async () => {
  const path = join(dir, "x.pid");
  await takePidfile(withoutLocks, log, path, false);
  expect(readFileSync(path, "utf8")).toBe(`${process.pid}\n`);
  expect(lines.join("\n")).toMatch(/daemon_unix\|WARN\|files of this host cannot be locked: koffi does not load\. The pid file/);
  writeFileSync(path, `${process.ppid}\n`);
  await expect(takePidfile(withoutLocks, log, path, false)).rejects.toThrow(
    `${path}: already running as pid ${process.ppid}, aborting`,
  );
  await takePidfile(withoutLocks, log, path, true);
  expect(readFileSync(path, "utf8")).toBe(`${process.pid}\n`);
});

test("a file that cannot be read, or made, is refused with the reason", async () => {
  await expect(takePidfile(withoutLocks, log, join(dir, "none/x.pid"), false)).rejects.toThrow(
    /none\/x\.pid\.tmp: create failed \(.*No such file or directory\)$/,
  );
});
