/** Actions as text, the way the reference prints them; the text parses back to the same actions. */
import { formatIpv4, formatIpv6, ipv4Of, ipv6Of } from "@weft/packet";
import { quote } from "../lexer.ts";
import { formatConstant, formatField } from "../match/expression.ts";
import type { IpAddress, LogicalAction, LogicalActionOf, OptionValue } from "./types.ts";

/** All actions of a flow, "drop;" if there are none. */
export function formatActions(actions: readonly LogicalAction[]): string {
  return actions.length === 0 ? "drop;" : actions.map(formatAction).join(" ");
}

function formatIp({ family, value }: IpAddress): string {
  return family === 4 ? formatIpv4(ipv4Of(Number(value))) : formatIpv6(ipv6Of(value));
}

function formatEndpoint(ip: IpAddress, port: number): string {
  if (port === 0) return formatIp(ip);
  return ip.family === 4 ? `${formatIp(ip)}:${port}` : `[${formatIp(ip)}]:${port}`;
}

function formatBlock(name: string, actions: readonly LogicalAction[]): string {
  if (actions.length === 0) return `${name} { drop; };`;
  return `${name} { ${actions.map(formatAction).join(" ")} };`;
}

/** One action with its semicolon. */
export function formatAction(action: LogicalAction): string {
  switch (action.kind) {
    case "output":
      return "output;";
    case "next":
      return formatNext(action);
    case "load":
      return `${formatField(action.dst)} = ${formatConstant(action.value)};`;
    case "move":
      return `${formatField(action.dst)} = ${formatField(action.src)};`;
    case "exchange":
      return `${formatField(action.a)} <-> ${formatField(action.b)};`;
    case "dec_ttl":
      return "ip.ttl--;";
    case "push":
    case "pop":
      return `${action.kind}(${formatField(action.field)});`;
    case "plain":
      return action.name === "handle_bfd_msg" ? `${action.name}();` : `${action.name};`;
    case "nested":
      return formatBlock(action.name, action.actions);
    case "query":
      return `${formatField(action.dst)} = ${action.name}();`;
    case "ct_next":
      return action.zone === "snat" ? "ct_next(snat);" : "ct_next(dnat);";
    case "ct_commit":
      return action.actions.length === 0 ? "ct_commit;" : formatBlock("ct_commit", action.actions);
    case "ct_commit_to_zone":
      return `ct_commit_to_zone(${action.zone});`;
    case "ct_commit_nat":
      return `ct_commit_nat(${action.zone});`;
    case "ct_nat":
      return formatNat(action);
    case "ct_lb":
      return formatLoadBalancer(action);
    case "select":
      return formatSelect(action);
    case "get_mac":
      return `${action.name}(${formatField(action.port)}, ${formatField(action.ip)});`;
    case "put_mac":
      return `${action.name}(${formatField(action.port)}, ${formatField(action.ip)}, ${formatField(action.mac)});`;
    case "lookup_mac":
      return `${formatField(action.dst)} = ${action.name}(${formatField(action.port)}, ${formatField(action.ip)}, ${formatField(action.mac)});`;
    case "lookup_ip":
      return `${formatField(action.dst)} = ${action.name}(${formatField(action.port)}, ${formatField(action.ip)});`;
    case "put_fdb":
      return `put_fdb(${formatField(action.port)}, ${formatField(action.mac)});`;
    case "get_fdb":
      return `${formatField(action.dst)} = ${action.name}(${formatField(action.mac)});`;
    case "lookup_fdb":
      return `${formatField(action.dst)} = lookup_fdb(${formatField(action.port)}, ${formatField(action.mac)});`;
    case "put_opts":
      return `${formatField(action.dst)} = ${action.name}(${action.options.map(formatOption).join(", ")});`;
    case "dhcp_relay":
      return `${formatField(action.dst)} = ${action.name}(${formatIpv4(ipv4Of(action.relay))}, ${formatIpv4(ipv4Of(action.server))});`;
    case "log":
      return formatLog(action);
    case "trigger_event": {
      const options = action.options.map(({ name, value }) => `, ${name} = ${quote(value)}`).join("");
      return `trigger_event(event = ${quote(action.event)}${options});`;
    }
    case "bind_vport":
      return `bind_vport(${quote(action.port)}, ${formatField(action.parent)});`;
    case "handle_svc_check":
      return `handle_svc_check(${formatField(action.port)});`;
    case "set_queue":
      return `set_queue(${action.queue});`;
    case "set_meter":
      return action.burst === 0 ? `set_meter(${action.rate});` : `set_meter(${action.rate}, ${action.burst});`;
    case "check_pkt_larger":
      return `${formatField(action.dst)} = check_pkt_larger(${action.length});`;
    case "sample":
      return formatSample(action);
    case "mirror":
      return `mirror(${quote(action.port)});`;
    case "fwd_group": {
      const ports = action.ports.map(quote).join(", ");
      return `fwd_group(${action.liveness ? 'liveness="true", ' : ""}childports=${ports});`;
    }
    case "commit_ecmp_nh":
      return `commit_ecmp_nh(ipv6 = ${action.ipv6}, proto = ${action.proto});`;
    case "commit_lb_aff": {
      const proto = action.proto === undefined ? "" : `, proto = ${action.proto}`;
      const vip = quote(formatEndpoint(action.vip, action.vipPort));
      const backend = quote(formatEndpoint(action.backend, action.backendPort));
      return `commit_lb_aff(vip = ${vip}, backend = ${backend}${proto}, timeout = ${action.timeout});`;
    }
  }
}

function formatNext({ to, from }: LogicalActionOf<"next">): string {
  if (to.pipeline !== from.pipeline) return `next(pipeline=${to.pipeline}, table=${to.table});`;
  return to.table === from.table + 1 ? "next;" : `next(${to.table});`;
}

function formatNat({ name, address, ports }: LogicalActionOf<"ct_nat">): string {
  if (address === undefined) return `${name};`;
  const range = ports === undefined ? "" : `,${ports.low}${ports.high === undefined ? "" : `-${ports.high}`}`;
  return `${name}(${formatIp(address)}${range});`;
}

function formatLoadBalancer({ name, backends, hashFields, flag }: LogicalActionOf<"ct_lb">): string {
  if (backends === undefined) return `${name};`;
  const list = backends.map(({ ip, port, logicalPort }) => {
    const endpoint = formatEndpoint(ip, port);
    return logicalPort === undefined ? endpoint : `${quote(logicalPort)}:${endpoint}`;
  });
  const hash = hashFields === undefined ? "" : `; hash_fields=${quote(hashFields)}`;
  return `${name}(backends=${list.join(",")}${hash}${flag === undefined ? "" : `; ${flag}`});`;
}

function formatSelect({ dst, values, hashFields }: LogicalActionOf<"select">): string {
  const list = values.map(({ value, weight }) => `${value}=${weight}`).join(", ");
  if (hashFields === undefined) return `${formatField(dst)} = select(${list});`;
  return `${formatField(dst)} = select(values=(${list}); hash_fields=${quote(hashFields)});`;
}

function formatOption({ name, values }: OptionValue): string {
  const texts = values.map(formatConstant);
  return `${name} = ${texts.length === 1 ? texts[0] : `{${texts.join(", ")}}`}`;
}

function formatLog({ name, verdict, severity, meter }: LogicalActionOf<"log">): string {
  const parts = [];
  if (name !== undefined) parts.push(`name=${quote(name)}`);
  parts.push(`verdict=${verdict}`, `severity=${severity}`);
  if (meter !== undefined) parts.push(`meter=${quote(meter)}`);
  return `log(${parts.join(", ")});`;
}

function formatSample({ probability, collectorSet, obsDomain, obsPoint }: LogicalActionOf<"sample">): string {
  const point =
    obsPoint.kind === "cookie" ? "$cookie" : obsPoint.kind === "field" ? formatField(obsPoint.field) : `${obsPoint.value}`;
  return `sample(probability=${probability},collector_set=${collectorSet},obs_domain=${obsDomain},obs_point=${point});`;
}
