/** Reading the operands of logging, events, sampling, forwarding groups, ECMP next hops and load balancer affinity. */
import type { TokenReader } from "../reader.ts";
import type { KeywordReader } from "./keywords.ts";
import { operand, parseEndpoint } from "./operands.ts";
import type { LogicalAction, LogSeverity, LogVerdict, SampleObservation } from "./types.ts";

/** By their number in userdata. */
export const LOG_VERDICTS: readonly LogVerdict[] = ["allow", "drop", "reject", "pass", "unknown"];
/** Syslog severities (RFC 5424) of the words. */
export const LOG_SEVERITIES: Readonly<Record<LogSeverity, number>> = { alert: 1, warning: 4, notice: 5, info: 6, debug: 7 };

export const readLog: KeywordReader = (reader) => {
  let name: string | undefined;
  let verdict: LogVerdict | undefined;
  let severity: LogSeverity = "info";
  let meter: string | undefined;
  if (reader.accept("(")) {
    while (!reader.accept(")")) {
      if (reader.acceptId("verdict")) {
        reader.expect("=");
        verdict = (["allow", "drop", "reject", "pass"] as const).find((word) => reader.acceptId(word));
        if (verdict === undefined) throw reader.syntax("unknown verdict");
      } else if (reader.acceptId("name")) {
        reader.expect("=");
        const { token } = reader;
        name = text(reader);
        if (name.length >= 64) {
          throw reader.type(`Syntax error at \`${token.text}' name must be shorter than 64 characters.`, token.offset);
        }
      } else if (reader.acceptId("severity")) {
        reader.expect("=");
        const found = (Object.keys(LOG_SEVERITIES) as LogSeverity[]).find((word) => reader.acceptId(word)); // keys of the record
        if (found === undefined) throw reader.syntax("unknown severity");
        severity = found;
      } else if (reader.acceptId("meter")) {
        reader.expect("=");
        meter = text(reader);
      } else throw unknown(reader);
      reader.accept(",");
    }
  }
  if (verdict === undefined) throw reader.expected("verdict");
  return { kind: "log", name, verdict, severity, meter };
};

function unknown(reader: TokenReader) {
  const { token } = reader;
  return reader.type(token.kind === "end" ? "Syntax error at end of input." : `Syntax error at \`${token.text}'.`, token.offset);
}

function text(reader: TokenReader): string {
  const token = reader.token;
  if (token.kind !== "string") throw reader.expected("string");
  reader.take();
  return token.value;
}

const EVENT_OPTIONS: ReadonlyMap<string, number> = new Map([
  ["vip", 1],
  ["protocol", 2],
  ["load_balancer", 3],
]);

export const readTriggerEvent: KeywordReader = (reader) => {
  reader.expect("(");
  reader.expectId("event");
  reader.expect("=");
  const token = reader.token;
  if (token.kind !== "string") throw reader.expected("string");
  if (token.value !== "empty_lb_backends") throw reader.syntax("Unknown event '-1'");
  reader.take();
  const options: { name: string; code: number; value: string }[] = [];
  while (reader.accept(",")) {
    const name = reader.token;
    const code = name.kind === "id" ? EVENT_OPTIONS.get(name.text) : undefined;
    if (code === undefined) throw reader.expected("empty_lb_backends option name");
    reader.take();
    reader.expect("=");
    const value = reader.token;
    if (value.kind !== "string") throw reader.type(`empty_lb_backends option ${name.text} requires string value.`);
    reader.take();
    checkEventOption(reader, name.text, value.value);
    options.push({ name: name.text, code, value: value.value });
  }
  reader.expect(")");
  return { kind: "trigger_event", event: "empty_lb_backends", options };
};

function checkEventOption(reader: TokenReader, name: string, value: string): void {
  if (name === "vip" && parseEndpoint(value) === undefined) throw reader.type(`Invalid load balancer VIP '${value}'`);
  if (name === "protocol" && !["tcp", "udp", "sctp"].includes(value)) {
    throw reader.type(`Load balancer protocol '${value}' is not 'tcp', 'udp', or 'sctp'`);
  }
  if (name === "load_balancer" && !/^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/.test(value)) {
    throw reader.type(`Load balancer '${value}' is not a UUID`);
  }
}

export const readSample: KeywordReader = (reader, { needed }) => {
  reader.expect("(");
  let probability = 0;
  let collectorSet = 0;
  let obsDomain = 0;
  let obsPoint: SampleObservation = { kind: "number", value: 0 };
  while (!reader.accept(")")) {
    if (reader.acceptId("probability")) {
      reader.expect("=");
      if (reader.token.kind === "integer") {
        if (reader.token.value > 65535n) throw reader.expected("probability");
        probability = reader.smallInteger("probability");
      }
    } else if (reader.acceptId("collector_set")) {
      reader.expect("=");
      collectorSet = number32(reader, "collector_set");
    } else if (reader.acceptId("obs_domain")) {
      reader.expect("=");
      const { token } = reader;
      obsDomain = number32(reader, "obs_domain");
      if (obsDomain > 255) throw reader.type(`Syntax error at \`${token.text}' obs_domain must be 8-bit long.`, token.offset);
    } else if (reader.acceptId("obs_point")) {
      reader.expect("=");
      obsPoint = observationPoint(reader);
      if (obsPoint.kind === "field" && obsPoint.field.symbol.prerequisites !== undefined) {
        needed.add(obsPoint.field.symbol.prerequisites);
      }
    } else throw reader.syntax("unknown argument");
    reader.accept(",");
  }
  if (probability === 0) throw reader.type("probability must be greater than zero");
  return { kind: "sample", probability, collectorSet, obsDomain, obsPoint };

  function observationPoint(from: TokenReader): SampleObservation {
    const { token } = from;
    if (token.kind === "integer") return { kind: "number", value: number32(from, "obs_point") };
    if (token.kind === "address-set" && token.value === "cookie") {
      from.take();
      return { kind: "cookie" };
    }
    return { kind: "field", field: operand(from, 32, false, needed) };
  }
};

function number32(reader: TokenReader, what: string): number {
  const { token } = reader;
  if (token.kind !== "integer" || token.mask !== undefined || token.value > 0xffff_ffffn) throw reader.expected(what);
  reader.take();
  return Number(token.value);
}

export const readForwardGroup: KeywordReader = (reader) => {
  let liveness = false;
  const ports: string[] = [];
  if (reader.accept("(")) {
    if (reader.acceptId("liveness")) {
      reader.expect("=");
      liveness = truth(reader);
      reader.expect(",");
    }
    if (reader.acceptId("childports")) {
      reader.expect("=");
      do {
        const token = reader.token;
        if (token.kind !== "string") throw reader.expected("logical switch port");
        reader.take();
        ports.push(token.value);
      } while (reader.accept(",") && !reader.is(")"));
    }
    if (!reader.accept(")")) throw reader.expected("`;'");
  }
  if (ports.length === 0) throw reader.expected("childports");
  return { kind: "fwd_group", liveness, ports };
};

/** `true`, `false`, and the same in quotes, as they are printed. */
function truth(reader: TokenReader): boolean {
  const { token } = reader;
  const word = token.kind === "string" ? token.value : token.text;
  if (word !== "true" && word !== "false") throw reader.expected("true or false");
  reader.take();
  return word === "true";
}

const PROTOCOLS = ["tcp", "udp", "sctp"] as const;

export const readCommitEcmp: KeywordReader = (reader) => {
  reader.expect("(");
  if (!reader.acceptId("ipv6")) throw reader.syntax("invalid parameter");
  reader.expect("=");
  const ipv6 = reader.acceptId("true");
  if (!ipv6 && !reader.acceptId("false")) throw reader.expected("true or false");
  reader.expect(",");
  const proto = protocol(reader);
  reader.expect(")");
  return { kind: "commit_ecmp_nh", ipv6, proto };
};

function protocol(reader: TokenReader): "tcp" | "udp" | "sctp" {
  if (!reader.acceptId("proto")) throw reader.syntax("invalid parameter");
  reader.expect("=");
  const proto = PROTOCOLS.find((word) => reader.acceptId(word));
  if (proto === undefined) throw reader.syntax("invalid protocol");
  return proto;
}

export const readCommitLbAffinity: KeywordReader = (reader): LogicalAction => {
  reader.expect("(");
  const vip = endpoint(reader, "vip");
  reader.expect(",");
  const backendToken = () => reader.token;
  if (!reader.acceptId("backend")) throw reader.syntax("invalid parameter");
  reader.expect("=");
  const at = backendToken();
  const backend = endpointText(reader);
  if (backend.ip.family !== vip.ip.family) {
    throw reader.type(`Syntax error at \`${at.text}' invalid protocol family.`, at.offset);
  }
  reader.expect(",");
  // without ports there is no protocol to tell apart
  let proto: "tcp" | "udp" | "sctp" | undefined;
  if (vip.port !== 0 || backend.port !== 0) {
    proto = protocol(reader);
    reader.expect(",");
  }
  if (!reader.acceptId("timeout")) throw reader.syntax("invalid parameter");
  reader.expect("=");
  const { token } = reader;
  if (token.kind !== "integer" || token.value > 65535n) throw reader.expected("affinity timeout");
  const timeout = reader.smallInteger("affinity timeout");
  reader.expect(")");
  return {
    kind: "commit_lb_aff",
    vip: vip.ip,
    vipPort: vip.port,
    backend: backend.ip,
    backendPort: backend.port,
    proto,
    timeout,
  };
};

function endpoint(reader: TokenReader, name: string) {
  if (!reader.acceptId(name)) throw reader.syntax("invalid parameter");
  reader.expect("=");
  return endpointText(reader);
}

function endpointText(reader: TokenReader) {
  const token = reader.token;
  const found = token.kind === "string" ? parseEndpoint(token.value) : undefined;
  if (found === undefined) throw reader.syntax("invalid parameter");
  reader.take();
  return found;
}
