import { expect, it } from "vitest";
import { ConfigurableLogBook } from "./log.ts";
import { logModulesOf } from "./logModules.ts";

function book() {
  const lines: string[] = [];
  const log = new ConfigurableLogBook({ wall: () => Date.UTC(2026, 0, 31, 12) });
  log.setOutput("file", (line) => lines.push(line));
  return { log, lines };
}

it("writes the line of OVS to the file", () => {
  const { log, lines } = book();
  log.logger("jsonrpc").warn("unix:/x: receive error");
  expect(lines).toEqual(["2026-01-31T12:00:00.000Z|00001|jsonrpc|WARN|unix:/x: receive error"]);
});

it("lets through what the threshold of the module and destination lets through", () => {
  const { log, lines } = book();
  const [poll, vconn] = [log.logger("poll_loop"), log.logger("vconn")];
  log.apply("vconn:file:dbg");
  log.apply("poll_loop:off");
  vconn.dbg(() => "sent");
  poll.err("never");
  poll.dbg(() => {
    throw new Error("a text that nobody wants is not made");
  });
  expect(lines).toEqual(["2026-01-31T12:00:00.000Z|00001|vconn|DBG|sent"]);
});

it("formats by a pattern that vlog/set gives", () => {
  const { log, lines } = book();
  log.apply("PATTERN:file:%-6p[%c] %m");
  log.logger("main").info("up");
  expect(lines).toEqual(["INFO  [main] up"]);
});

it("names what it does not know", () => {
  expect(() => book().log.apply("a:b")).toThrow("cannot specify multiple modules");
  const log = new ConfigurableLogBook({ wall: () => 0 }, "ovn-northd", logModulesOf("ovn-northd"));
  expect(() => log.apply("northd:file:loud")).toThrow('no destination, level, or module "loud"');
  expect(() => log.apply("PATTERN:paper:%m")).toThrow('unknown destination "paper"');
  expect(() => log.applyOption("pinctrl:dbg")).toThrow('processing "pinctrl:dbg": no destination, level, or module "pinctrl"');
});

it("tells of a thread what it tells of its module", () => {
  const { log, lines } = book();
  log.apply("acl_log:file:dbg");
  log.logger("acl_log", "ovn_pinctrl0").dbg("seen");
  expect(lines).toEqual(["2026-01-31T12:00:00.000Z|00001|acl_log(ovn_pinctrl0)|DBG|seen"]);
});
