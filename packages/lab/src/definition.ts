/**
 * What a lab is: networks, machines with NICs, what runs on them, and the commands that provision them. Written as YAML
 * in one file; `docs/labs.md` is for those who write one.
 */

import { parseMac } from "@weft/packet";
import { messageOf, WeftError } from "@weft/runtime";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { parseIp, parseNetwork } from "./machine/ip.ts";
import { parseListen } from "./publish.ts";
import { commandsOf } from "./words.ts";

const name = z.string().regex(/^[A-Za-z][\w.-]{0,62}$/, "a name has letters, digits, '.', '-' and '_', and begins with a letter");
const cidr = z
  .string()
  .refine(
    (text) => text.includes("/") && parseNetwork(text) !== undefined,
    "not an address with a prefix length, like 192.168.50.10/24",
  );

const nic = z.strictObject({
  network: name,
  /** Addresses with their prefix lengths. */
  address: z.union([cidr, z.array(cidr)]).optional(),
  mac: z
    .string()
    .refine((text) => parseMac(text) !== undefined, "not a MAC address")
    .optional(),
  mtu: z.number().int().min(68).max(65535).optional(),
});

const script = z.string().refine((text) => {
  commandsOf(text);
  return true;
});

const node = z.strictObject({
  nics: z.record(name, nic).optional(),
  /**
   * ovn-central: the northbound and southbound databases (TCP 6641, 6642) and ovn-northd. openvswitch: the local database
   * and ovs-vswitchd. ovn-host: openvswitch and ovn-controller.
   */
  services: z.array(z.enum(["ovn-central", "openvswitch", "ovn-host"])).optional(),
  /** Opens its databases on the real network: ADDRESS[:PORT], the northbound's port; the southbound's is one more. */
  listen: z
    .string()
    .refine((text) => parseListen(text) !== undefined, "not an address of the host with or without a port, like 127.0.0.1:6641")
    .optional(),
  /** Routes packets between its interfaces. */
  forwarding: z.boolean().optional(),
  gateway: z
    .string()
    .refine((text) => parseIp(text) !== undefined, "not an IP address")
    .optional(),
  /** Files on the machine's disk, by path: what its guests serve, for example. */
  files: z.record(z.string().regex(/^\//, "a file's path begins with /"), z.string()).optional(),
  /** Commands, as an operator types them on that machine. */
  provision: script.optional(),
});

const network = z.strictObject({
  /** One-way delay, ms. */
  delay: z.number().min(0).max(10_000).optional(),
  /** Joined to the real network: tunnel ports are bound on the host at the NICs' addresses, which it must have. */
  real: z.boolean().optional(),
});

const lab = z.strictObject({
  name,
  description: z.string().optional(),
  networks: z.record(name, network).optional(),
  nodes: z.record(name, node),
  /** Commands run on a machine after every machine's `provision`; [machine, commands] in order. */
  setup: z.array(z.strictObject({ node: name, run: script })).optional(),
});

export type LabDefinition = z.infer<typeof lab>;
export type NodeDefinition = z.infer<typeof node>;

/** A lab file that cannot be used: `place.source` is the file; the message says where in it and what. */
export class LabFileError extends WeftError {}

/** Reads a lab file. Throws {@link LabFileError}. */
export function parseLab(text: string, source: string): LabDefinition {
  const fail = (why: string): never => {
    throw new LabFileError("lab.bad-file", `${source}: ${why}`, { blame: "caller", place: { source } });
  };
  let value: unknown;
  try {
    value = parseYaml(text, { logLevel: "error" });
  } catch (error) {
    // The library throws its own errors, and ReferenceError for aliases of nothing: all are about the text.
    return fail(messageOf(error));
  }
  return checkLab(value, fail);
}

/** Checks a definition that is a value already. */
export function checkLab(value: unknown, fail: (why: string) => never): LabDefinition {
  let definition: LabDefinition;
  try {
    definition = lab.parse(value);
  } catch (error) {
    if (error instanceof z.ZodError) {
      return fail(
        error.issues.map(({ path, message }) => `${path.length > 0 ? `${path.join(".")}: ` : ""}${message}`).join("; "),
      );
    }
    if (error instanceof WeftError) return fail(error.message);
    throw error;
  }
  for (const [nodeName, { nics = {}, listen, services = [] }] of Object.entries(definition.nodes)) {
    if (listen !== undefined && !services.includes("ovn-central"))
      fail(`nodes.${nodeName}.listen: the machine has no ovn-central service, and so no databases to open`);
    for (const [nicName, { network }] of Object.entries(nics)) {
      if (definition.networks?.[network] === undefined)
        fail(`nodes.${nodeName}.nics.${nicName}.network: there is no network ${JSON.stringify(network)}`);
    }
  }
  for (const [i, step] of (definition.setup ?? []).entries()) {
    if (definition.nodes[step.node] === undefined) fail(`setup.${i}.node: there is no node ${JSON.stringify(step.node)}`);
  }
  return definition;
}
