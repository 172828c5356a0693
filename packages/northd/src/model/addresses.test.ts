import fc from "fast-check";
import { expect, it } from "vitest";
import { Networks, type PortAddress, parseIp, parseRouterPortAddress } from "./addresses.ts";

interface Port {
  readonly name: string;
  readonly address: PortAddress;
}

function port(name: string, ...networks: string[]): Port {
  return { name, address: parseRouterPortAddress("00:00:00:00:00:01", networks)! };
}

it("finds the first port with a network that an address is in", () => {
  const networks = new Networks([
    port("a", "10.0.0.1/24"),
    port("b", "10.0.0.1/16", "fd00::1/64"),
    port("c", "10.0.0.130/25", "10.1.0.1/24"),
  ]);
  const nameOf = (address: string) => networks.portOf(parseIp(address)!)?.name;
  expect(["10.0.0.200", "10.0.7.1", "10.1.0.9", "10.2.0.1", "fd00::5", "fe80::9", "fd01::5"].map(nameOf)).toEqual([
    "a",
    "b",
    "c",
    undefined,
    "b",
    "a",
    undefined,
  ]);
});

it("finds the same as a look at every port", () => {
  const octet = fc.integer({ min: 0, max: 3 });
  const network = fc.tuple(octet, octet, fc.integer({ min: 22, max: 32 }));
  fc.assert(
    fc.property(fc.array(network, { maxLength: 6 }), octet, octet, (all, high, low) => {
      const bits = (x: number, y: number, length: number) => Math.floor((x * 256 + y) / 2 ** (32 - length));
      const first = all.findIndex(([x, y, length]) => bits(x, y, length) === bits(high, low, length));
      const networks = new Networks(all.map(([x, y, length], place) => port(String(place), `10.0.${x}.${y}/${length}`)));
      expect(networks.portOf(parseIp(`10.0.${high}.${low}`)!)?.name).toBe(first < 0 ? undefined : String(first));
    }),
  );
});
