/** A load balancer, read and parsed (ovn-nb(5), Load_Balancer). */
import { derive, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { nb } from "./nb.ts";
import { parseTemplateVip, parseVip, type Vip } from "./vip.ts";

export type Protocol = "tcp" | "udp" | "sctp";

/** In seconds. */
const LONGEST_AFFINITY = 65_535;

export const protocolNumber: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 };

export interface LoadBalancer {
  readonly uuid: Uuid;
  readonly protocol: Protocol;
  /** VIPs that are well-formed, with all their backends. */
  readonly vips: readonly Vip[];
  readonly options: ReadonlyMap<string, string>;
  readonly reject: boolean;
  readonly event: boolean;
  readonly skipSnat: boolean;
  readonly distributed: boolean;
  /** VIPs and backends are variables. */
  readonly template: boolean;
  /** In seconds. */
  readonly affinityTimeout: number | undefined;
  /** Fields that select the backend, as the arguments of ct_lb_mark have them. */
  readonly hashFields: string | undefined;
  /** What is wrong with other VIPs and with options. */
  readonly problems: readonly string[];
}

export const loadBalancer = derive(
  "loadBalancer",
  (uuid: Uuid, read): LoadBalancer | undefined => {
    const row = read(nb.Load_Balancer, uuid);
    if (row === undefined) return undefined;
    const { options } = row;
    const protocol = row.protocol ?? "tcp";
    const template = options.get("template") === "true";
    const family = (options.get("address-family") ?? "ipv4") === "ipv4" ? 4 : 6;
    const vips: Vip[] = [];
    const problems = optionProblems(row, template);
    for (const [key, text] of row.vips) {
      const vip = template ? parseTemplateVip(key, text, family) : parseVip(key, text);
      if (typeof vip === "string") problems.push(vip);
      else vips.push(vip);
    }
    const timeout = Number(options.get("affinity_timeout"));
    return {
      uuid,
      protocol,
      vips,
      options,
      reject: options.get("reject") === "true",
      event: options.get("event") === "true",
      skipSnat: options.get("skip_snat") === "true",
      distributed: options.get("distributed") === "true",
      template,
      affinityTimeout: Number.isInteger(timeout) && timeout > 0 ? Math.min(timeout, LONGEST_AFFINITY) : undefined,
      hashFields: hashFieldsOf(row),
      problems,
    };
  },
  { equals: sameContent },
);

function optionProblems({ _uuid, options }: NbRow<"Load_Balancer">, template: boolean): string[] {
  const problems: string[] = [];
  const mode = options.get("neighbor_responder");
  if (mode !== undefined && !(template ? ["all", "none"] : ["all", "none", "reachable"]).includes(mode)) {
    const instead = template ? "none" : "reachable";
    problems.push(`Invalid neighbor responder mode ${mode} for load balancer ${_uuid}, forcing it to ${instead}`);
  }
  if (template && options.get("add_route") === "true") {
    problems.push(`Template load balancer ${_uuid} does not suport option 'add_route'.  Forcing it to disabled.`);
  }
  if (Number(options.get("affinity_timeout")) > LONGEST_AFFINITY) {
    problems.push(`max affinity_timeout timeout value is ${LONGEST_AFFINITY}`);
  }
  return problems;
}

function hashFieldsOf({ selection_fields, protocol }: NbRow<"Load_Balancer">): string | undefined {
  if (selection_fields.length === 0) return undefined;
  return selection_fields.map((field) => field.replace(/^tp_/, `${protocol ?? "tp"}_`)).join();
}
