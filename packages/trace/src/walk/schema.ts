/**
 * What `weft trace --json` prints. The types are made from these schemas, and docs/trace.schema.json is; they are not needed to
 * run.
 */
import { z } from "zod";

export const northboundRef = z
  .object({ table: z.string(), uuid: z.string(), text: z.string().describe("the row as people speak of it, and whose it is") })
  .describe("a row of the northbound database");

export const nearMiss = z
  .object({
    flow: z.string(),
    field: z.string(),
    packet: z.string().describe("the field's value in the packet"),
    wanted: z.string().describe("what the flow matches"),
    origin: z.string().optional(),
  })
  .describe("a flow that would have taken the packet but for one field");

export const flowStep = z
  .object({
    bridge: z.string(),
    table: z.int(),
    flow: z.string().optional().describe("as ovs-ofctl dump-flows prints it, without statistics; absent: no flow matched"),
    cookie: z.string().optional(),
    network: z.string().optional().describe('the logical network that the packet was in: "switch NAME" or "router NAME"'),
    stage: z.string().optional().describe("of the logical pipeline, as in ovn-northd(8)"),
    logicalFlow: z.string().optional().describe("uuid of the southbound row"),
    origin: z.string().optional().describe("where the flow comes from"),
    northbound: northboundRef.optional(),
    changes: z.array(z.string()).readonly().describe("actions that change the packet itself"),
    nearMisses: z.array(nearMiss).readonly().optional(),
  })
  .describe("a flow that the packet met in a table of a bridge");

const packet = z.string().describe("tcpdump's text, without the time");
const node = z.string().describe("the hypervisor");
const device = z.string();
const port = z.string().optional().describe("the logical port behind the device");

const of = z
  .enum(["neighbour", "answer"])
  .optional()
  .describe(
    "absent: of the packet that is traced; else of one by which a neighbour is asked for or told, or of ovn-controller's answer",
  );

export const station = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("enters"), of, node, device, port, packet }),
  z.object({
    kind: z.literal("switch"),
    of,
    node,
    resumed: z.boolean().describe("after connection tracking or a change of headers"),
    flows: z.array(flowStep).readonly(),
    datapathActions: z.string(),
    error: z.string().optional(),
  }),
  z.object({
    kind: z.literal("tunnel"),
    of,
    node,
    to: z.string().optional().describe("the hypervisor that has the destination; absent: none that can be looked into"),
    source: z.string(),
    destination: z.string(),
    protocol: z.enum(["geneve", "vxlan"]),
    vni: z.int(),
    ports: z.object({ ingress: z.int(), egress: z.int() }).optional().describe("tunnel keys of the logical ports"),
    size: z.int().describe("bytes of the outer IP packet"),
  }),
  z.object({ kind: z.literal("physical"), of, node, device, network: z.string(), packet }),
  z.object({ kind: z.literal("delivered"), of, node, device, port, packet }),
  z.object({
    kind: z.literal("controller"),
    of,
    node,
    bridge: z.string(),
    action: z.string().optional().describe("what the flow asks of ovn-controller, as ovn-sb(5) calls it"),
    by: flowStep.optional(),
  }),
  z
    .object({
      kind: z.literal("controller-sends"),
      of,
      node,
      packet,
      resumed: z.boolean().describe("it goes on where it was given to ovn-controller, itself or an answer in its place"),
    })
    .describe("ovn-controller sends a packet"),
  z
    .object({ kind: z.literal("controller-says"), of, node, text: z.string() })
    .describe("ovn-controller would write this to its log"),
  z
    .object({ kind: z.literal("learned"), of, node, ip: z.string().optional(), mac: z.string() })
    .describe("ovn-controller learns a neighbour, or behind which port an Ethernet address is"),
  z.object({
    kind: z.literal("dropped"),
    of,
    node,
    reason: z.string(),
    by: flowStep.optional(),
    towards: z
      .object({ port: z.string(), type: z.string() })
      .optional()
      .describe("the logical port that the packet was on its way to, and the type of its Port_Binding"),
  }),
]);

export const remedy = z.object({
  text: z.string(),
  tried: z.boolean().describe("true: the packet has arrived when this was done to a copy of the cloud; nothing else is said"),
});

export const cause = z.object({
  code: z.enum([
    "acl",
    "port-security",
    "no-route",
    "discard-route",
    "routing-policy",
    "neighbour-unknown",
    "neighbour-wrong",
    "network-unmapped",
    "destination-unknown",
    "port-unbound",
    "tunnel-end-unknown",
    "mtu",
    "flows-differ",
    "foreign-flow",
    "no-backend",
    "refused",
    "controller",
    "unanswered",
    "port-disabled",
    "delivered-elsewhere",
    "looped",
    "dropped",
  ]),
  node,
  text: z.string().describe("a sentence without its full stop"),
  northbound: northboundRef.optional(),
  flow: flowStep.optional().describe("the flow that decided"),
  remedy: remedy.optional(),
});

export const leg = z.object({
  from: z.string(),
  to: z.string(),
  packet,
  frame: z.string().describe("hex digits"),
  delivered: z.boolean(),
  stations: z.array(station).readonly(),
});

export const finding = z.object({
  code: z.string().describe("docs/findings.md has them all"),
  node: z.string().optional(),
  subject: z.string(),
  detail: z.string(),
  flows: z
    .array(z.object({ is: z.enum(["installed", "wanted"]), flow: z.string() }))
    .readonly()
    .optional(),
  rows: z.array(z.string()).readonly().optional().describe('"TABLE UUID"'),
});

export const traceReport = z
  .object({
    outcome: z.enum(["delivered", "one-way", "not-delivered", "traced"]),
    verdict: z.string().describe("one sentence, without its full stop"),
    cause: cause.optional(),
    there: leg,
    back: leg.optional().describe("the answer's way; absent: none is expected, or the packet did not arrive"),
    unknown: z
      .array(z.string())
      .readonly()
      .optional()
      .describe("what could not be asked of the hypervisors on the way, so that it was taken as if there were nothing"),
    logical: z
      .object({ delivers: z.boolean(), text: z.string() })
      .optional()
      .describe("what ovn-trace --minimal says of the same packet"),
    findings: z
      .array(finding)
      .readonly()
      .optional()
      .describe("where flows differ from what the databases ask for: those that matter here"),
  })
  .describe("weft trace --json");
