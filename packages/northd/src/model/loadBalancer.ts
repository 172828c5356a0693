/** A load balancer, read and parsed (ovn-nb(5), Load_Balancer). */
import { derive, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { type Endpoint, parseEndpoint, parseTemplate } from "./endpoint.ts";
import { nb } from "./nb.ts";

export type Protocol = "tcp" | "udp" | "sctp";

export const protocolNumber: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 };

export interface Vip extends Endpoint {
  /** As it is configured. */
  readonly key: string;
  readonly backends: readonly Endpoint[];
  /** The backends as they are configured. */
  readonly text: string;
}

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
}

export const loadBalancer = derive(
  "loadBalancer",
  (uuid: Uuid, read): LoadBalancer | undefined => {
    const row = read(nb.Load_Balancer, uuid);
    if (row === undefined) return undefined;
    const { options } = row;
    const protocol = row.protocol ?? "tcp";
    const template = options.get("template") === "true";
    const family = options.get("address-family") === "ipv6" ? 6 : 4;
    const vips: Vip[] = [];
    for (const [key, text] of row.vips) {
      const vip = template ? parseTemplateVip(key, text, family) : parseVip(key, text);
      if (vip !== undefined) vips.push(vip);
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
      affinityTimeout: Number.isInteger(timeout) && timeout > 0 ? Math.min(timeout, 65_535) : undefined,
      hashFields: hashFieldsOf(row),
    };
  },
  { equals: sameContent },
);

/** A VIP with a backend that is malformed, of the other family, or with a port where the VIP has none, is none. */
function parseVip(key: string, text: string): Vip | undefined {
  const vip = parseEndpoint(key);
  if (vip === undefined) return undefined;
  const backends: Endpoint[] = [];
  for (const token of text.split(",").filter((each) => each !== "")) {
    const backend = parseEndpoint(token);
    if (backend?.family !== vip.family || (backend.port === undefined) !== (vip.port === undefined)) return undefined;
    backends.push(backend);
  }
  return { ...vip, key, backends, text };
}

/** What variables stand for is only known on the chassis: a backend variable may hold several, with ports. */
function parseTemplateVip(key: string, text: string, family: 4 | 6): Vip | undefined {
  const vip = key.startsWith("^") ? parseTemplate(key, family) : undefined;
  const backends = text.split(",").flatMap((token) => parseTemplate(token, family) ?? []);
  return vip === undefined ? undefined : { ...vip, key, backends, text };
}

function hashFieldsOf({ selection_fields, protocol }: NbRow<"Load_Balancer">): string | undefined {
  if (selection_fields.length === 0) return undefined;
  return selection_fields.map((field) => field.replace(/^tp_/, `${protocol ?? "tp"}_`)).join();
}
