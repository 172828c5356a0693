/**
 * VIPs of load balancers with their backends (ovn-nb(5), Load_Balancer:vips). In templates both may be variables, of which each
 * chassis has values of its own: "^VIP:^PORT" to "^BACKEND:^PORT,^BACKENDS". What is wrong is said in the reference's words.
 */
import { type Endpoint, parseEndpoint } from "./endpoint.ts";

export interface Vip extends Endpoint {
  /** As it is configured. */
  readonly key: string;
  readonly backends: readonly Endpoint[];
  /** The backends as they are configured. */
  readonly text: string;
}

/** Or what is wrong. A VIP with a backend that is malformed, of the other family, or with a port where the VIP has none, is none. */
export function parseVip(key: string, text: string): Vip | string {
  const vip = parseEndpoint(key);
  if (vip === undefined) {
    return `Failed to initialize LB VIP: ${key}: should be an IP address (or an IP address and a port number with : as a separator).`;
  }
  const backends = tokensOf(text).map((token) => explicitBackend(token, vip));
  const wrong = backends.filter((backend) => typeof backend === "string");
  if (wrong.length > 0) return `Failed to initialize LB VIP: ${wrong.join(", ")}.`;
  return { ...vip, key, backends: backends.filter((backend) => typeof backend !== "string"), text };
}

/** The same of a template. What variables stand for is only known on the chassis: one may hold several backends, with ports. */
export function parseTemplateVip(key: string, text: string, family: 4 | 6): Vip | string {
  const vip = variable(key, family);
  if (vip === undefined) {
    return `Failed to initialize LB VIP: ${key}: should be a template of the form: '^vip_variable[:^port_variable|:port]'.`;
  }
  const backends = tokensOf(text).map((token) =>
    token.startsWith("^") ? (variable(token, family) ?? malformedVariable(token)) : explicitBackend(token, vip),
  );
  const wrong = backends.filter((backend) => typeof backend === "string");
  if (wrong.length > 0) return `Failed to initialize LB VIP: invalid backend: template (${wrong.join(", ")}.)`;
  return { ...vip, key, backends: backends.filter((backend) => typeof backend !== "string"), text };
}

function tokensOf(text: string): readonly string[] {
  return text.split(",").filter((token) => token !== "");
}

/** Whether an address stands for what each chassis has in its place. */
export function isVariable({ address }: Endpoint): boolean {
  return address.startsWith("^");
}

/** An address, and maybe a port, of which either may be a variable; also empty parts do not count. */
function variable(text: string, family: 4 | 6): Endpoint | undefined {
  const [address, port, ...more] = text.split(":").filter((part) => part !== "");
  return address === undefined || more.length > 0 ? undefined : { family, address, port };
}

function malformedVariable(token: string): string {
  return `${token.split(":")[0]}: should be a template of the form: '^backendip_variable1[:^port_variable1|:port]'`;
}

function explicitBackend(token: string, vip: Endpoint): Endpoint | string {
  const backend = parseEndpoint(token);
  if (vip.port !== undefined && backend?.port === undefined) {
    return `${token}: should be an IP address and a port number with : as a separator`;
  }
  if (backend === undefined || (vip.port === undefined && backend.port !== undefined)) return `${token}: should be an IP address`;
  return backend.family === vip.family ? backend : `${token}: IP address family is different from VIP ${vip.address}`;
}
