import fc from "fast-check";
import { expect, it } from "vitest";
import { LabFileError, parseLab } from "./definition.ts";
import { builtinLabs } from "./labs/index.ts";
import { parseListen } from "./publish.ts";

it.each([...builtinLabs])("%s is a lab", (name, text) => {
  expect(parseLab(text, name).name).toBe(name);
});

it.each([
  ["nodes: {}", "x.yaml: name: Invalid input: expected string, received undefined"],
  ["name: a\nnodes: { n: { nics: { eth0: { network: u } } } }", 'x.yaml: nodes.n.nics.eth0.network: there is no network "u"'],
  ["name: a\nnodes: { n: { servces: [] } }", 'x.yaml: nodes.n: Unrecognized key: "servces"'],
  ["name: a\nnetworks: { u: {} }\nnodes: { n: { nics: { eth0: { network: u, address: 10.0.0.1 } } } }", "like 192.168.50.10/24"],
  ["name: a\nnodes: { n: { provision: 'ip link | grep x' } }", "needs a shell"],
  ["name: a\nnodes: { n: { services: [ovn-central], listen: example.org } }", "nodes.n.listen: not an address of the host"],
  ["name: a\nnodes: { n: { listen: 127.0.0.1 } }", "nodes.n.listen: the machine has no ovn-central service"],
  ["name: [", "x.yaml: Flow sequence"],
])("%j is answered with what is wrong and where", (text, message) => {
  expect(() => parseLab(text, "x.yaml")).toThrow(message);
});

it.each([
  ["127.0.0.1", { address: "127.0.0.1", port: 6641 }],
  ["127.0.0.1:0", { address: "127.0.0.1", port: 0 }],
  ["::1", { address: "::1", port: 6641 }],
  ["[::1]:16641", { address: "::1", port: 16641 }],
  ["localhost:1", undefined],
  ["127.0.0.1:65535", undefined],
  ["[127.0.0.1]:1", undefined],
])("a place to listen: %s", (text, expected) => {
  expect(parseListen(text)).toEqual(expected);
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
