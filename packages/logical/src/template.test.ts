import { expect, test } from "vitest";
import { expandTemplates } from "./template.ts";

const values = new Map([
  ["vip", "10.0.0.1"],
  ["backends", "10.0.0.2:80,10.0.0.3:80"],
]);

test("variables outside of strings are replaced", () => {
  const { text, variables } = expandTemplates('ip4.dst == ^vip && inport == "^vip"', (name) => values.get(name));
  expect(text).toBe('ip4.dst == 10.0.0.1 && inport == "^vip"');
  expect([...variables]).toEqual(["vip"]);
  expect(expandTemplates("ct_lb_mark(backends=^backends);", (name) => values.get(name)).text).toBe(
    "ct_lb_mark(backends=10.0.0.2:80,10.0.0.3:80);",
  );
});

test("a variable without value is an error at its place", () => {
  expect(() => expandTemplates("ip4.dst == ^nope", (name) => values.get(name))).toThrow(
    expect.objectContaining({ offset: 11, message: "Template variable ^nope has no value on this chassis." }),
  );
});
