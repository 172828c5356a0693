/** For tests: certificate authorities and certificates, made with openssl(1). */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** Keys are small and elliptic: they are made in no time. */
const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

function openssl(folder: string, ...args: readonly string[]): void {
  execFileSync("openssl", args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
}

/** Makes an authority: NAME.pem is its certificate. */
export function makeCa(folder: string, name: string): void {
  openssl(
    folder,
    "req",
    "-x509",
    ...KEY,
    "-days",
    "30",
    "-subj",
    `/O=weft/CN=${name}`,
    "-keyout",
    `${name}-key.pem`,
    "-out",
    `${name}.pem`,
  );
}

/** Makes a certificate by an authority: NAME-key.pem and NAME.pem. */
export function makeCertificate(folder: string, ca: string, name: string, commonName = name): void {
  openssl(
    folder,
    "req",
    "-new",
    ...KEY,
    "-subj",
    `/O=weft/CN=${commonName}`,
    "-keyout",
    `${name}-key.pem`,
    "-out",
    `${name}.csr`,
  );
  writeFileSync(join(folder, "extensions"), "basicConstraints=CA:FALSE\n");
  const signed = ["-CA", `${ca}.pem`, "-CAkey", `${ca}-key.pem`, "-CAcreateserial", "-days", "30", "-extfile", "extensions"];
  openssl(folder, "x509", "-req", "-in", `${name}.csr`, ...signed, "-out", `${name}.pem`);
}

/** The options of a program that shows `name` and trusts `ca`. */
export function pki(folder: string, name: string, ca: string): string[] {
  const file = (text: string) => join(folder, `${text}.pem`);
  return [`--private-key=${file(`${name}-key`)}`, `--certificate=${file(name)}`, `--ca-cert=${file(ca)}`];
}
