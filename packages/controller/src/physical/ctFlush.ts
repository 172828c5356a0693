/**
 * Connections to backends that a load balancer has no more: they are flushed where the balancer asks for it (ovn-nb(5),
 * options:ct_flush), whatever their zone is.
 */
import { counted, each, type Sink } from "@weft/incremental";
import type { CtFlush, Message } from "@weft/openflow";
import type { Uuid } from "@weft/ovsdb";
import { formatIpv4, formatIpv6, type Ipv4, type Ipv6 } from "@weft/packet";
import type { SbRow } from "@weft/schemas";
import { sb } from "../model/inputs.ts";
import { localDatapathsOf } from "../model/loadBalancers.ts";
import { expanded } from "../model/templates.ts";
import { Outbox } from "../outbox.ts";
import { IP } from "./flow.ts";
import { type Endpoint, parseEndpoint } from "./hairpin.ts";

/** Connections that are flushed when nothing asks for them any more. */
export interface Flushable {
  readonly key: string;
  readonly message: CtFlush;
}

interface Balanced {
  /** IP protocol; 0: any. */
  readonly protocol: number;
  readonly vip: Endpoint;
  readonly backend: Endpoint;
}

/** A backend of a local balancer that wants its connections flushed with it. */
export const balancedBackends = each<Flushable, Uuid, SbRow<"Load_Balancer">>(
  "balancedBackends",
  sb.Load_Balancer,
  function* (_uuid, row, read) {
    if (row.options.get("ct_flush") !== "true" || localDatapathsOf(read, row).length === 0) return;
    for (const [key, value] of row.vips) {
      const vip = parseEndpoint(expanded(read, key) ?? "");
      if (vip === undefined) continue;
      const protocol = vip.port === undefined ? 0 : IP[row.protocol ?? "tcp"];
      for (const text of (expanded(read, value) ?? "").split(",")) {
        const backend = parseEndpoint(text);
        if (backend !== undefined && backend.v6 === vip.v6) yield flushable({ protocol, vip, backend });
      }
    }
  },
  { identity: ({ key }) => key },
);

function flushable(balanced: Balanced): Flushable {
  const { protocol, vip, backend } = balanced;
  return { key: [protocol, vip.ip, vip.port, backend.ip, backend.port].join(), message: flushOf(balanced) };
}

// Which family an address is of, its type does not say.
const textOf = ({ ip, v6 }: Endpoint): string => (v6 ? formatIpv6(ip as Ipv6) : formatIpv4(ip as Ipv4));

export const ANY = { src: undefined, dst: undefined, srcPort: undefined, dstPort: undefined } as const;
export const NO_ICMP = { icmpType: undefined, icmpCode: undefined, icmpId: undefined } as const;

function flushOf({ protocol, vip, backend }: Balanced): CtFlush {
  return {
    type: "ct_flush",
    protocol,
    zone: 0,
    original: { ...ANY, ...NO_ICMP, dst: textOf(vip), dstPort: vip.port },
    reply: { ...ANY, ...NO_ICMP, src: textOf(backend), srcPort: backend.port },
    mark: undefined,
    labels: undefined,
  };
}

/** Connections that are to be flushed. */
export class FlushBook {
  readonly #gone = new Outbox<CtFlush>();

  readonly sink: Sink<Flushable> = counted(({ key }) => key, {
    appear: ({ key }) => this.#gone.delete(key),
    vanish: ({ key, message }) => this.#gone.add(key, message),
  });

  get empty(): boolean {
    return this.#gone.size === 0;
  }

  /** Messages for the switch; `done` or `retry` says later whether it has had them. */
  take(): readonly Message[] {
    return [...this.#gone.take()];
  }

  done(): void {
    this.#gone.done();
  }

  retry(): void {
    this.#gone.retry();
  }
}
