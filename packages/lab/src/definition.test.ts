import fc from "fast-check";
import { expect, it } from "vitest";
import { LabFileError, parseLab } from "./definition.ts";
import { builtinLabs } from "./labs/index.ts";

it.each([...builtinLabs])("%s is a lab", (name, text) => {
  expect(parseLab(text, name).name).toBe(name);
});

it.each([
  ["nodes: {}", "x.yaml: name: Invalid input: expected string, received undefined"],
  ["name: a\nnodes: { n: { nics: { eth0: { network: u } } } }", 'x.yaml: nodes.n.nics.eth0.network: there is no network "u"'],
  ["name: a\nnodes: { n: { servces: [] } }", 'x.yaml: nodes.n: Unrecognized key: "servces"'],
  ["name: a\nnetworks: { u: {} }\nnodes: { n: { nics: { eth0: { network: u, address: 10.0.0.1 } } } }", "like 192.168.50.10/24"],
  ["name: a\nnodes: { n: { provision: 'ip link | grep x' } }", "needs a shell"],
  ["name: [", "x.yaml: Flow sequence"],
])("%j is answered with what is wrong and where", (text, message) => {
  expect(() => parseLab(text, "x.yaml")).toThrow(message);
});

it("answers any text with an error or a lab", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        parseLab(text, "x");
      } catch (error) {
        expect(error).toBeInstanceOf(LabFileError);
      }
    }),
  );
});
