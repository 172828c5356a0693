import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { makeCa, makeCertificate, pki } from "./pki.ts";
import { type Kind, reference, Servers, until, weft } from "./servers.ts";

const SB = join(reference, "share/ovn/ovn-sb.ovsschema");

let servers: Servers;
afterEach(() => servers.stop());

/** A folder with two authorities: the server and the client have certificates of the first, the stranger of the second. */
async function prepare(): Promise<void> {
  servers = new Servers();
  for (const ca of ["ca", "ca2"]) makeCa(servers.dir, ca);
  for (const name of ["server", "client"]) makeCertificate(servers.dir, "ca", name);
  for (const name of ["server2", "stranger"]) makeCertificate(servers.dir, "ca2", name);
  await servers.create("sb", SB);
}

/** Starts a server with unix and TLS sockets; resolves to the TLS port. */
async function serve(kind: Kind, ...options: readonly string[]): Promise<number> {
  await servers.start(kind, "sb", ["sb.db", "--remote=pssl:0:127.0.0.1", ...options]);
  await until(() => /listening on port \d+/.test(servers.log("sb")));
  return Number(/0:127\.0\.0\.1: listening on port (\d+)/.exec(servers.log("sb"))?.[1]);
}

/** Asks for the databases: 0 for an answer. */
async function ask(kind: Kind, port: number, ...options: readonly string[]): Promise<number> {
  const args = ["-t", "5", ...options, "list-dbs", `ssl:127.0.0.1:${port}`];
  const { out, code } = await (kind === "weft"
    ? servers.run("node", [weft, "ovsdb-client", ...args])
    : servers.run("ovsdb-client", args));
  return out === "OVN_Southbound\n_Server\n" ? 0 : code === 0 ? -1 : 1;
}

const pairs: readonly (readonly [Kind, Kind])[] = [
  ["weft", "reference"],
  ["reference", "weft"],
  ["weft", "weft"],
];

test.each(pairs)("TLS: server %s, client %s: who may talk to whom", async (server, client) => {
  await prepare();
  const own = (name: string, ca: string) => pki(servers.dir, name, ca);
  const port = await serve(
    server,
    ...own("server", "ca"),
    `--peer-ca-cert=${join(servers.dir, "ca.pem")}`,
    "--ssl-protocols=TLSv1.3",
  );
  expect(await ask(client, port, ...own("client", "ca"))).toBe(0);
  // The client's certificate is of nobody that the server knows; the server's of nobody that the client knows.
  expect(await ask(client, port, ...own("stranger", "ca"))).toBe(1);
  expect(await ask(client, port, ...own("client", "ca2"))).toBe(1);
  expect(await ask(client, port, ...own("client", "ca").slice(0, 2), "--ca-cert=none")).toBe(0);
  expect(await ask(client, port, ...own("client", "ca"), "--ssl-protocols=TLSv1.2")).toBe(1);
  expect(
    await ask(client, port, ...own("client", "ca"), "--ssl-protocols=TLSv1.2+", "--ssl-ciphersuites=TLS_AES_128_GCM_SHA256"),
  ).toBe(0);
  // Who knows no authority yet takes the one that the server shows, and holds on to it.
  const learnt = join(servers.dir, "learnt.pem");
  const bootstrap = [...own("client", "ca").slice(0, 2), `--bootstrap-ca-cert=${learnt}`];
  // The reference's client takes the certificate and gives up; the next attempt uses it.
  await ask(client, port, ...bootstrap);
  const body = (file: string) => /-----BEGIN CERTIFICATE-----[^-]*-----END/.exec(readFileSync(file, "utf8"))?.[0];
  expect(body(learnt)).toBe(body(join(servers.dir, "ca.pem")));
  expect(await ask(client, port, ...bootstrap)).toBe(0);
});

test("certificates that are renewed on the disk count from then on, and those that are connected stay", async () => {
  await prepare();
  const at = (name: string) => join(servers.dir, name);
  for (const part of ["-key.pem", ".pem"]) copyFileSync(at(`server${part}`), at(`mine${part}`));
  copyFileSync(at("ca.pem"), at("trusted.pem"));
  const port = await serve("weft", ...pki(servers.dir, "mine", "trusted"));
  const old = pki(servers.dir, "client", "ca");
  const monitor = servers.run("ovsdb-client", [
    "-t",
    "8",
    ...old,
    "monitor",
    `ssl:127.0.0.1:${port}`,
    "OVN_Southbound",
    "SB_Global",
    "nb_cfg",
  ]);
  await until(async () => (await servers.control("sb", "memory/show")).includes("sessions:1"));
  for (const part of ["-key.pem", ".pem"]) copyFileSync(at(`server2${part}`), at(`mine${part}`));
  copyFileSync(at("ca2.pem"), at("trusted.pem"));
  const renewed = pki(servers.dir, "stranger", "ca2");
  await until(async () => (await ask("reference", port, ...renewed)) === 0);
  expect(await ask("reference", port, ...renewed)).toBe(0);
  expect(await ask("reference", port, ...old)).toBe(1);
  await servers.transact("sb", "OVN_Southbound", { op: "insert", table: "SB_Global", row: { nb_cfg: 5 } });
  expect((await monitor).out).toContain("5");
});

test.each(["weft", "reference"] as const)("the database may say where the certificates are: %s", async (kind) => {
  await prepare();
  const from = (column: string) => `db:OVN_Southbound,SSL,${column}`;
  const options = [
    `--private-key=${from("private_key")}`,
    `--certificate=${from("certificate")}`,
    `--ca-cert=${from("ca_cert")}`,
  ];
  const port = await serve(kind, ...options);
  const client = pki(servers.dir, "client", "ca");
  expect(await ask("reference", port, ...client)).toBe(1);
  const file = (name: string) => join(servers.dir, `${name}.pem`);
  const row = { private_key: file("server-key"), certificate: file("server"), ca_cert: file("ca") };
  await servers.transact(
    "sb",
    "OVN_Southbound",
    { op: "insert", table: "SSL", row, "uuid-name": "ssl" },
    { op: "insert", table: "SB_Global", row: { ssl: ["named-uuid", "ssl"] } },
  );
  await until(async () => (await ask("reference", port, ...client)) === 0);
  expect(await ask("reference", port, ...client)).toBe(0);
  expect(existsSync(file("learnt"))).toBe(false);
});
