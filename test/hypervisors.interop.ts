/** Two hypervisors with real devices, ours and the reference's in all mixes: what passes between their guests. */
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { canMakeNamespaces, real } from "../packages/cli/src/lab/reference.ts";
import { reference, schemaFiles } from "./reference/daemons.ts";
import { type Encap, type GuestPort, Hypervisor, type Side, Site, type TunnelEnd } from "./reference/hypervisors.ts";

interface Mix {
  readonly sides: readonly [Side, Side];
  readonly ends: readonly [TunnelEnd, TunnelEnd];
  readonly guests: readonly [GuestPort, GuestPort];
  readonly tunnels: readonly [string, string];
  readonly encap: Encap;
}

const v4 = ["198.51.100.1/24", "198.51.100.2/24"] as const;
const v6 = ["2001:db8::1/64", "2001:db8::2/64"] as const;
const mixes: readonly Mix[] = [
  { sides: ["weft", "reference"], ends: ["bridge", "bridge"], guests: ["veth", "veth"], tunnels: v4, encap: "geneve" },
  { sides: ["reference", "weft"], ends: ["bridge", "kernel"], guests: ["internal", "internal"], tunnels: v4, encap: "geneve" },
  { sides: ["weft", "weft"], ends: ["kernel", "bridge"], guests: ["veth", "internal"], tunnels: v6, encap: "geneve" },
  { sides: ["weft", "reference"], ends: ["kernel", "bridge"], guests: ["internal", "veth"], tunnels: v4, encap: "vxlan" },
];
const title = ({ sides, ends, guests, tunnels, encap }: Mix) =>
  [0, 1].map((i) => `${sides[i]} (tunnels at the ${ends[i]}, guest by ${guests[i]})`).join(" and ") +
  `, ${encap} over IPv${tunnels[0].includes(":") ? 6 : 4}`;

const guests = [
  { port: "vm1", mac: "50:54:00:00:00:01", addresses: ["10.0.0.1/24", "fd00:10::1/64"] },
  { port: "vm2", mac: "50:54:00:00:00:02", addresses: ["10.0.0.2/24", "fd00:10::2/64"] },
] as const;
const bare = (address: string) => address.split("/")[0] as string;

describe.skipIf(!canMakeNamespaces).each(mixes)("$sides, $ends, $guests", (mix) => {
  const site = new Site();
  let hypervisors: readonly Hypervisor[] = [];
  const pair = () => hypervisors as readonly [Hypervisor, Hypervisor];

  beforeAll(async () => {
    const nb = await site.database("reference", "central", "nb", schemaFiles.nb);
    const sb = await site.database("reference", "central", "sb", schemaFiles.sb);
    await site.daemon("", mix.sides[0], "ovn-northd", "central", `--ovnnb-db=${nb}`, `--ovnsb-db=${sb}`);
    hypervisors = [0, 1].map(
      (i) =>
        new Hypervisor(site, {
          name: `hv${i + 1}`,
          side: mix.sides[i] as Side,
          end: mix.ends[i] as TunnelEnd,
          guest: mix.guests[i] as GuestPort,
          tunnel: mix.tunnels[i] as string,
          southbound: sb,
          encap: mix.encap,
          ...(guests[i] as (typeof guests)[number]),
        }),
    );
    for (const hypervisor of hypervisors) await hypervisor.make();
    await site.wire(pair()[0].namespace, "phys0", pair()[1].namespace, "phys0");
    const nbctl = (...args: readonly string[]) => real(join(reference, "bin/ovn-nbctl"), `--db=${nb}`, "--timeout=60", ...args);
    await nbctl("ls-add", "net0");
    for (const { port, mac, addresses } of guests)
      await nbctl("lsp-add", "net0", port, "--", "lsp-set-addresses", port, [mac, ...addresses.map(bare)].join(" "));
    for (const hypervisor of hypervisors) await hypervisor.start();
    for (const { port } of guests) await nbctl("wait-until", "Logical_Switch_Port", port, "up=true");
    await nbctl("--wait=hv", "sync");
    // The first packets make the tunnels' ends find each other.
    for (const { addresses } of guests) {
      const from = addresses === guests[0].addresses ? pair()[1] : pair()[0];
      for (const address of addresses)
        await from.inGuest("bash", "-c", `for i in $(seq 30); do ping -c1 -W1 ${bare(address)} && exit; done; exit 1`);
    }
  });
  afterAll(() => site.close());

  it(`${title(mix)}: pings, small and of 1300 bytes with DF`, async () => {
    for (const [from, to] of [
      [0, 1],
      [1, 0],
    ] as const) {
      for (const address of guests[to].addresses.map(bare)) {
        const ping = (...args: readonly string[]) => hypervisors[from]?.inGuest("ping", "-W5", ...args, address);
        expect(await ping("-c3", "-i0.2")).toContain(" 0% packet loss");
        expect(await ping("-c3", "-i0.2", "-s1300", "-Mdo")).toContain(" 0% packet loss");
      }
    }
  });

  it("TCP carries every byte, both ways, over both families", async () => {
    const bytes = randomBytes(3_000_000);
    const sent = join(site.dir, "sent");
    const received = join(site.dir, "received");
    writeFileSync(sent, bytes);
    let port = 5000;
    for (const [from, to] of [
      [0, 1],
      [1, 0],
    ] as const) {
      for (const address of guests[to].addresses.map(bare)) {
        const done = pair()[to].receive(address, ++port, received);
        await Promise.all([done, pair()[from].send(address, port, sent)]);
        expect(readFileSync(received).equals(bytes)).toBe(true);
      }
    }
  });

  it("the switches have said nothing of errors", () => {
    for (const [i, { options }] of hypervisors.entries()) {
      if (mix.sides[i] === "weft") expect(site.log(options.name, "ovs-vswitchd")).not.toMatch(/\|(ERR|EMER)\|/);
    }
  });
});
