/** TLS as the options of ovsdb-server(1) "Public Key Infrastructure Options" describe it, by node:tls. */
import tls from "node:tls";
import { WeftError } from "../errors.ts";
import type { TlsOptions } from "../world.ts";

/** The reference's default for TLSv1.2. */
const DEFAULT_CIPHERS = "DEFAULT:@SECLEVEL=2";

/** For node:tls. Throws WeftError "net.tls" where keys and certificates cannot be read or do not fit together. */
export function secureContextOptions(options: TlsOptions): tls.SecureContextOptions {
  const { privateKey, certificate, caCertificate, peerCaCertificate, minVersion, maxVersion, ciphers, ciphersuites } = options;
  const lists = [...(ciphersuites === undefined ? [] : [ciphersuites]), ciphers ?? DEFAULT_CIPHERS];
  const context: tls.SecureContextOptions = {
    ...(privateKey === undefined ? {} : { key: privateKey }),
    ...(certificate === undefined ? {} : { cert: [certificate, peerCaCertificate ?? ""].join("\n") }),
    ...(caCertificate === undefined ? {} : { ca: caCertificate }),
    minVersion: minVersion ?? "TLSv1.2",
    ...(maxVersion === undefined ? {} : { maxVersion }),
    ciphers: lists.join(":"),
  };
  try {
    tls.createSecureContext(context);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new WeftError("net.tls", `TLS configuration: ${why}`, { blame: "caller", cause: error });
  }
  return context;
}

/** Why the peer's certificate does not do, or undefined. */
export function peerRefused(socket: tls.TLSSocket, options: TlsOptions): string | undefined {
  if (options.acceptAny === true || socket.authorized) return undefined;
  const error: unknown = socket.authorizationError;
  const reason = error instanceof Error ? error.message : String(error ?? "no certificate");
  return `certificate verification failed: ${reason}`;
}

/** The last certificate of the chain that the peer showed, where it is a CA's own, as PEM text. */
export function shownCa(socket: tls.TLSSocket): string | undefined {
  let last = socket.getPeerCertificate(true);
  // The CA is its own issuer: there the chain ends.
  while (last.issuerCertificate !== undefined && last.issuerCertificate !== last) {
    if (last.issuerCertificate.fingerprint256 === last.fingerprint256) break;
    last = last.issuerCertificate;
  }
  if (last.raw === undefined || JSON.stringify(last.subject) !== JSON.stringify(last.issuer)) return undefined;
  const base64 = last.raw.toString("base64").replace(/(.{64})(?=.)/g, "$1\n");
  return `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
}

export function commonName(socket: tls.TLSSocket): string | undefined {
  const name: unknown = socket.getPeerCertificate()?.subject?.CN;
  return Array.isArray(name) ? String(name[0]) : typeof name === "string" ? name : undefined;
}
