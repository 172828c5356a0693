/** Debian's neutron-server with ML2/OVN on the databases of a cloud: a MariaDB of its own, no authentication, no message broker. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { nodeRuntime } from "@weft/runtime";

const runtime = nodeRuntime();

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** A resource as the API shows it. */
export type Resource = Readonly<Record<string, unknown>> & { readonly id: string };

export class Neutron {
  readonly #dir: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #databases: { readonly nb: string; readonly sb: string };
  #port = 0;
  #server: ChildProcess | undefined;
  #database: ChildProcess | undefined;
  readonly #socket: string;

  /** Keeps its files in `dir`. `env`: it runs ovsdb-client. */
  constructor(dir: string, databases: { readonly nb: string; readonly sb: string }, env: NodeJS.ProcessEnv) {
    this.#dir = dir;
    this.#env = env;
    this.#databases = databases;
    this.#socket = join(dir, "mysql.sock");
  }

  async start(): Promise<void> {
    const dir = this.#dir;
    mkdirSync(join(dir, "lock"), { recursive: true });
    this.#port = await freePort();
    cpSync("/usr/share/neutron-common/api-paste.ini", join(dir, "api-paste.ini"));
    writeFileSync(join(dir, "neutron.conf"), this.#settings());
    await this.#startDatabase();
    const log = openSync(join(dir, "neutron.log"), "w");
    const args = ["/usr/bin/neutron-server", "--config-file", join(dir, "neutron.conf")];
    // A process group of its own, for the server has children.
    this.#server = spawn("/usr/bin/python3", args, { stdio: ["ignore", log, log], detached: true, env: this.#env });
    for (let tries = 0; ; tries++) {
      if (this.#server.exitCode !== null || tries > 600) throw new Error(`neutron-server does not start:\n${this.log()}`);
      if (await this.call("GET", "networks").catch(() => undefined)) break;
      await runtime.clock.sleep(250);
    }
  }

  /** Neutron's processes write at the same time, which SQLite has no answer for. */
  async #startDatabase(): Promise<void> {
    const data = `--datadir=${join(this.#dir, "mysql")}`;
    const install = ["--no-defaults", "--auth-root-authentication-method=normal", "--user=root", "--skip-test-db", data];
    execFileSync("/usr/bin/mariadb-install-db", install, { stdio: "ignore" });
    const options = ["--no-defaults", "--user=root", "--skip-networking", "--innodb-flush-log-at-trx-commit=0", data];
    this.#database = spawn("/usr/sbin/mariadbd", [...options, `--socket=${this.#socket}`], { stdio: "ignore" });
    for (let tries = 0; !existsSync(this.#socket); tries++) {
      if (tries > 600) throw new Error("mariadbd does not start");
      await runtime.clock.sleep(100);
    }
    const client = ["--no-defaults", "-uroot", "-S", this.#socket, "-e", "create database neutron"];
    execFileSync("/usr/bin/mariadb", client, { stdio: "ignore" });
    execFileSync("/usr/bin/python3", [join(import.meta.dirname, "database.py"), this.#url], { stdio: "ignore" });
  }

  get #url(): string {
    return `mysql+pymysql://root@localhost/neutron?unix_socket=${this.#socket}`;
  }

  log(): string {
    return readFileSync(join(this.#dir, "neutron.log"), "utf8");
  }

  #settings(): string {
    const sections: Readonly<Record<string, Readonly<Record<string, string | number>>>> = {
      DEFAULT: {
        core_plugin: "ml2",
        service_plugins: "ovn-router,trunk,segments",
        auth_strategy: "noauth",
        bind_host: "127.0.0.1",
        bind_port: this.#port,
        transport_url: "fake://",
        state_path: this.#dir,
        api_paste_config: join(this.#dir, "api-paste.ini"),
        notify_nova_on_port_status_changes: "false",
        notify_nova_on_port_data_changes: "false",
        api_workers: 1,
        rpc_workers: 1,
        rpc_state_report_workers: 0,
      },
      oslo_concurrency: { lock_path: join(this.#dir, "lock") },
      database: { connection: this.#url },
      oslo_messaging_notifications: { driver: "noop" },
      ml2: {
        type_drivers: "local,flat,vlan,geneve",
        tenant_network_types: "geneve",
        mechanism_drivers: "ovn",
        extension_drivers: "port_security",
        overlay_ip_version: 4,
      },
      ml2_type_geneve: { vni_ranges: "1:65536", max_header_size: 38 },
      ml2_type_flat: { flat_networks: "*" },
      securitygroup: { enable_security_group: "true" },
      ovn: {
        ovn_nb_connection: this.#databases.nb,
        ovn_sb_connection: this.#databases.sb,
        enable_distributed_floating_ip: "true",
        ovn_metadata_enabled: "false",
      },
    };
    return Object.entries(sections)
      .map(
        ([name, values]) =>
          `[${name}]\n${Object.entries(values)
            .map(([key, value]) => `${key} = ${value}\n`)
            .join("")}`,
      )
      .join("\n");
  }

  /** One request; the answer's body, undefined where there is none. Rejects with what the server says when it refuses. */
  async call(method: "GET" | "POST" | "PUT" | "DELETE", path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/v2.0/${path}`, {
      method,
      headers: {
        "content-type": "application/json",
        "x-project-id": "p1",
        "x-tenant-id": "p1",
        "x-user-id": "u1",
        "x-roles": "admin",
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(60_000),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  /** Makes a resource, of the project that all are of. `kind` in singular. */
  async create(kind: string, values: Readonly<Record<string, unknown>>): Promise<Resource> {
    const answer = await this.call("POST", `${kind.replaceAll("_", "-")}s`, { [kind]: { project_id: "p1", ...values } });
    return (answer as Readonly<Record<string, Resource>>)[kind]!; // the API's form
  }

  async get(kind: string, id: string): Promise<Resource> {
    const answer = await this.call("GET", `${kind.replaceAll("_", "-")}s/${id}`);
    return (answer as Readonly<Record<string, Resource>>)[kind]!; // the API's form
  }

  async stop(): Promise<void> {
    await ended(this.#server, (pid) => process.kill(-pid, "SIGKILL"));
    await ended(this.#database, (pid) => process.kill(pid, "SIGKILL"));
  }
}

function ended(child: ChildProcess | undefined, kill: (pid: number) => void): Promise<void> {
  return new Promise((resolve) => {
    if (child?.pid === undefined || child.exitCode !== null) return resolve();
    child.once("exit", () => resolve());
    kill(child.pid);
  });
}
