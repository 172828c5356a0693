import { WeftError } from "./errors.ts";

/** A connection method of ovsdb(7) "Connection Methods" and of OpenFlow controllers, parsed. */
export type Remote =
  | { readonly kind: "tcp" | "ssl"; readonly passive: boolean; readonly address: string; readonly port: number | undefined }
  | { readonly kind: "unix" | "memory"; readonly passive: boolean; readonly path: string };

/**
 * Parses `tcp:IP[:PORT]`, `ssl:`, `unix:FILE`, `memory:NAME` and their passive forms `ptcp:[PORT][:IP]`, `pssl:`,
 * `punix:FILE`, `pmemory:NAME`. IPv6 addresses stand in brackets. The address of a passive remote is "" when any is
 * meant. Throws WeftError "net.bad-remote" naming the text.
 */
export function parseRemote(text: string): Remote {
  const colon = text.indexOf(":");
  const method = colon < 0 ? text : text.slice(0, colon);
  const rest = colon < 0 ? "" : text.slice(colon + 1);
  switch (method) {
    case "unix":
    case "punix":
    case "memory":
    case "pmemory":
      if (rest === "") throw bad(text, "names no path");
      return { kind: method.endsWith("unix") ? "unix" : "memory", passive: method.startsWith("p"), path: rest };
    case "tcp":
    case "ssl": {
      const { address, port } = splitAddress(text, rest);
      if (address === "") throw bad(text, "names no address");
      return { kind: method, passive: false, address, port };
    }
    case "ptcp":
    case "pssl": {
      const match = /^(\d*)(?::(.*))?$/.exec(rest);
      if (!match) throw bad(text, "is not [PORT][:IP]");
      const address = (match[2] ?? "").replace(/^\[(.*)\]$/, "$1");
      return { kind: method === "ptcp" ? "tcp" : "ssl", passive: true, address, port: portOf(text, match[1] ?? "") };
    }
    default:
      throw bad(text, "has no known connection method (tcp, ssl, unix, ptcp, pssl, punix)");
  }
}

function splitAddress(text: string, rest: string): { address: string; port: number | undefined } {
  const match = /^\[([^\]]*)\](?::(\d*))?$/.exec(rest) ?? /^([^:]*)(?::(\d*))?$/.exec(rest);
  if (match) return { address: match[1]!, port: portOf(text, match[2] ?? "") };
  throw bad(text, "has a malformed address (IPv6 addresses stand in brackets)");
}

function portOf(text: string, digits: string): number | undefined {
  if (digits === "") return undefined;
  const port = Number(digits);
  if (port > 65535) throw bad(text, `has a port above 65535`);
  return port;
}

function bad(text: string, why: string): WeftError {
  return new WeftError("net.bad-remote", `${JSON.stringify(text)} ${why}`, { blame: "caller", place: { text } });
}
