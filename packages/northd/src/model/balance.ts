/** Matches and actions of load balancing that switches and routers have in common. */
import type { Read } from "@weft/incremental";
import { quoted } from "../flow.ts";
import { type Endpoint, endpointText } from "./endpoint.ts";
import { globals } from "./globals.ts";
import { type LoadBalancer, protocolNumber } from "./loadBalancer.ts";
import { isVariable, type Vip } from "./vip.ts";

/** Keeps protocol and port of a new connection from before its destination is changed. */
export const EXTRACT = "reg1[16..23] = ct_proto(); reg1[0..15] = ct_tp_dst(); next;";
/** reg9[6]: the client was balanced before; its backend is in the registers of {@link held}. */
export const CHECK_AFFINITY = "reg9[6] = chk_lb_aff(); next;";

export function vipPriority({ port }: Vip): number {
  return port === undefined ? 110 : 120;
}

export function destination({ family, address }: Endpoint): string {
  return `ip${family}.dst == ${address}`;
}

/** Matches what {@link EXTRACT} kept: fragments have no ports of their own. */
export function extracted({ protocol }: LoadBalancer, { port }: Vip): string {
  return port === undefined ? "" : ` && reg1[16..23] == ${protocolNumber[protocol]} && reg1[0..15] == ${port}`;
}

const addressRegister = { 4: "reg4", 6: "xxreg1" } as const;

/** Keeps the VIP for the stages after its replacement. */
export function keep({ family, address, port }: Endpoint): string {
  return `${addressRegister[family]} = ${address}; ${port === undefined ? "" : `reg2[0..15] = ${port}; `}`;
}

function held({ family, address, port }: Endpoint): string {
  return `${addressRegister[family]} == ${address}${port === undefined ? "" : ` && reg2[0..15] == ${port}`}`;
}

export function balance({ distributed, hashFields }: LoadBalancer, backends: string, snat?: "skip_snat" | "force_snat"): string {
  const action = distributed ? "ct_lb_mark_local" : "ct_lb_mark";
  const hash = hashFields === undefined ? "" : `; hash_fields=${quoted(hashFields)}`;
  return `${action}(backends=${backends}${hash}${snat === undefined ? "" : `; ${snat}`});`;
}

/** A backend as affinity knows it: a variable, which may hold a port of its own, by its address alone. */
export function affine(backend: Endpoint): Endpoint {
  return isVariable(backend) ? { ...backend, port: undefined } : backend;
}

/** A client whose backend is remembered. */
export function remembered(vip: Vip, backend: Endpoint): string {
  return `reg9[6] == 1 && ct.new && ${destination(vip)} && ${held(backend)}`;
}

/** A client that was just balanced to a backend, which is to be remembered. */
export function chosen({ protocol }: LoadBalancer, vip: Vip, backend: Endpoint): string {
  const port = backend.port === undefined ? "" : ` && ${protocol}.dst == ${backend.port}`;
  return `reg9[6] == 0 && ct.new && ip${vip.family} && ${held(vip)} && ${destination(backend)}${port}`;
}

export function remember({ protocol, affinityTimeout }: LoadBalancer, vip: Vip, backend: Endpoint): string {
  const proto = vip.port === undefined ? "" : `proto = ${protocol}, `;
  const parties = `vip = ${quoted(endpointText(vip))}, backend = ${quoted(endpointText(backend))}`;
  return `commit_lb_aff(${parties}, ${proto}timeout = ${affinityTimeout}); /* drop */`;
}

/** What tells the controller of connections to a VIP without backends, where that is asked for. */
export function emptyEvent(lb: LoadBalancer, vip: Vip, read: Read): { match: string; actions: string } | undefined {
  if (vip.backends.length > 0 || lb.reject || !(lb.event || read(globals, "").controllerEvent)) return undefined;
  const { uuid, protocol } = lb;
  const port = vip.port === undefined ? "" : ` && ${protocol}.dst == ${vip.port}`;
  const arguments_ = [
    'event = "empty_lb_backends"',
    `vip = ${quoted(endpointText(vip))}`,
    `protocol = ${quoted(protocol)}`,
    `load_balancer = ${quoted(uuid)}`,
  ];
  return { match: `${destination(vip)} && ${protocol}${port}`, actions: `trigger_event(${arguments_.join(", ")});` };
}
