/** TLS by files: the options of ovsdb-server(1) "Public Key Infrastructure Options" and "SSL Connection Options". */
import { WeftError } from "./errors.ts";
import type { Files, TlsOptions } from "./world.ts";

/** Names of PEM files and the settings, as options, or a row of an SSL table, give them. */
export interface TlsFiles {
  readonly privateKey?: string;
  readonly certificate?: string;
  /** "none" accepts any peer. */
  readonly caCertificate?: string;
  /** Where the CA's certificate is, or will be kept when the first peer has shown it. */
  readonly bootstrapCaCertificate?: string;
  readonly peerCaCertificate?: string;
  /** "TLSv1.2+", "TLSv1.2-TLSv1.3", "TLSv1.2,TLSv1.3". */
  readonly protocols?: string;
  readonly ciphers?: string;
  readonly ciphersuites?: string;
  readonly serverName?: string;
}

/** Reads the files; undefined where none is named. Rejects with WeftError "files.*" naming one, or "tls.protocol". */
export async function readTls(files: Files, names: TlsFiles): Promise<TlsOptions | undefined> {
  if (Object.values(names).every((name) => name === undefined)) return undefined;
  const read = async (path: string | undefined): Promise<string | undefined> =>
    path === undefined || path === "none" ? undefined : new TextDecoder().decode(await files.read(path));
  const { bootstrapCaCertificate, protocols, ciphers, ciphersuites, serverName } = names;
  const awaitsCa = bootstrapCaCertificate !== undefined && !(await files.exists(bootstrapCaCertificate));
  const [privateKey, certificate, caCertificate, peerCaCertificate] = await Promise.all([
    read(names.privateKey),
    read(names.certificate),
    read(awaitsCa ? undefined : (bootstrapCaCertificate ?? names.caCertificate)),
    read(names.peerCaCertificate),
  ]);
  return {
    ...(privateKey === undefined ? {} : { privateKey }),
    ...(certificate === undefined ? {} : { certificate }),
    ...(caCertificate === undefined ? {} : { caCertificate }),
    ...(peerCaCertificate === undefined ? {} : { peerCaCertificate }),
    ...(names.caCertificate === "none" ? { acceptAny: true } : {}),
    ...(awaitsCa ? { bootstrap: (ca: string) => files.write(bootstrapCaCertificate, new TextEncoder().encode(ca)) } : {}),
    ...(protocols === undefined || protocols === "" ? {} : parseTlsProtocols(protocols)),
    ...(ciphers === undefined || ciphers === "" ? {} : { ciphers }),
    ...(ciphersuites === undefined || ciphersuites === "" ? {} : { ciphersuites }),
    ...(serverName === undefined ? {} : { serverName }),
  };
}

const VERSIONS = ["TLSv1.2", "TLSv1.3"] as const;

/** A range or list of --ssl-protocols: always the range from the lowest to the highest. Throws WeftError "tls.protocol". */
export function parseTlsProtocols(text: string): Required<Pick<TlsOptions, "minVersion" | "maxVersion">> {
  const open = text.endsWith("+");
  const names = (open ? text.slice(0, -1) : text).split(/[\s,-]+/).filter((name) => name !== "");
  const found = names.map((name) => {
    const at = VERSIONS.findIndex((version) => version.toLowerCase() === name.toLowerCase());
    if (at < 0)
      throw new WeftError("tls.protocol", `${name}: SSL/TLS protocol not recognized`, { blame: "caller", place: { text } });
    return at;
  });
  if (found.length === 0) throw new WeftError("tls.protocol", `${text}: names no SSL/TLS protocol`, { blame: "caller" });
  return {
    minVersion: VERSIONS[Math.min(...found)]!,
    maxVersion: VERSIONS[open ? VERSIONS.length - 1 : Math.max(...found)]!,
  };
}
