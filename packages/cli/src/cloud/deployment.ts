/** Where a deployment's databases and switches are: from options, the environment, and the hypervisor that this is. */
import { createReplica } from "@weft/ovsdb";
import { type Host, openHostNetwork, type TlsProvider } from "@weft/runtime";
import { openVSwitch } from "@weft/schemas";
import type { CloudPlaces, DatabasePlace, HypervisorPlace, Link } from "@weft/trace";
import { controlSocketOf, sendControl } from "../appctl.ts";
import { directoriesOf } from "../directories.ts";
import { type GivenOption, tlsOptions, tlsProviderOf, UsageError } from "../options.ts";
import type { CloudFinder } from "./commands.ts";

export const deployment: CloudFinder = {
  rows: [
    { name: "ovnnb-db", argument: "required" },
    { name: "ovnsb-db", argument: "required" },
    { name: "hypervisor", argument: "required" },
    { name: "control", argument: "required" },
    { name: "no-leader-only" },
    ...tlsOptions,
  ],
  help: `Where the cloud is:
  --lab NAME              a lab that is up (also where one lab is up and nothing else is said)
  --ovnnb-db REMOTE       the northbound database (default: $OVN_NB_DB, or the socket of this host)
  --ovnsb-db REMOTE       the southbound database (default: $OVN_SB_DB, the socket of this host, or its ovn-remote)
  --hypervisor NAME=DB[=BRIDGE]
                          a hypervisor's Open_vSwitch database (tcp:192.0.2.11:6640) and the OpenFlow remote of a bridge,
                          where %s is the bridge's name (default: unix:RUNDIR/%s.mgmt); may be given several times.
                          Without any, this host's switch
  --control NAME=VSWITCHD[=CONTROLLER]
                          control sockets of a hypervisor's ovs-vswitchd and ovn-controller, as paths on this host (forwarded by
                          ssh -L LOCAL.ctl:/var/run/openvswitch/ovs-vswitchd.PID.ctl): its connections and what it has learned
  --no-leader-only        any server of a clustered database will do
  --private-key, --certificate, --ca-cert FILE
                          for ssl: remotes
`,
  async find(host, options) {
    const value = (name: string): string | undefined => options.findLast((option) => option.name === name)?.value;
    const tls = tlsProviderOf(host.runtime.files, options);
    const sockets = controlSockets(options);
    const given = options
      .filter(({ name }) => name === "hypervisor")
      .map((option) => named(option, host, tls))
      .map((place) => withControl(place, host, sockets.get(place.name)));
    for (const name of sockets.keys())
      if (!given.some((place) => place.name === name)) throw new UsageError(`--control ${name}: no --hypervisor has that name`);
    const local = given.length > 0 ? undefined : await localHypervisor(host, tls);
    const hypervisors = local === undefined ? given : [local];
    const socket = async (file: string): Promise<string | undefined> => {
      const path = `${directoriesOf(host.env, "ovn").run}/${file}`;
      return (await host.runtime.files.exists(path)) ? `unix:${path}` : undefined;
    };
    const leaderOnly = !options.some(({ name }) => name === "no-leader-only");
    const place = (remote: string | undefined): DatabasePlace | undefined =>
      remote === undefined
        ? undefined
        : { runtime: host.runtime, remotes: remote.split(","), leaderOnly, ...(tls === undefined ? {} : { tls }) };
    const southbound = place(
      value("ovnsb-db") ??
        host.env["OVN_SB_DB"] ??
        (await socket("ovnsb_db.sock")) ??
        (local === undefined ? undefined : await remoteOf(local)),
    );
    if (southbound === undefined) throw new UsageError("no southbound database is known: say which with --ovnsb-db, or --lab");
    return {
      northbound: place(value("ovnnb-db") ?? host.env["OVN_NB_DB"] ?? (await socket("ovnnb_db.sock"))),
      southbound,
      hypervisors,
    } satisfies CloudPlaces;
  },
};

const runOf = (host: Host): string => directoriesOf(host.env, "ovs").run;

function named({ value = "" }: GivenOption, host: Host, tls: TlsProvider | undefined): HypervisorPlace {
  const [name = "", database = "", bridge = `unix:${runOf(host)}/%s.mgmt`] = value.split("=");
  if (name === "" || database === "") throw new UsageError(`--hypervisor ${value}: not NAME=DATABASE[=BRIDGE]`);
  return {
    name,
    runtime: host.runtime,
    database,
    bridge: (bridgeName) => bridge.replace("%s", bridgeName),
    ...(tls === undefined ? {} : { tls }),
  };
}

interface ControlSockets {
  readonly vswitchd: string;
  readonly controller: string | undefined;
}

/** --control, by hypervisor. */
function controlSockets(options: readonly GivenOption[]): ReadonlyMap<string, ControlSockets> {
  const given = options.filter(({ name }) => name === "control");
  return new Map(
    given.map(({ value = "" }) => {
      const [name = "", vswitchd = "", controller] = value.split("=");
      if (name === "" || vswitchd === "") throw new UsageError(`--control ${value}: not NAME=VSWITCHD[=CONTROLLER]`);
      return [name, { vswitchd, controller }];
    }),
  );
}

function withControl(place: HypervisorPlace, host: Host, sockets: ControlSockets | undefined): HypervisorPlace {
  if (sockets === undefined) return place;
  const { vswitchd, controller } = sockets;
  return {
    ...place,
    controls: controller === undefined ? ["ovs-vswitchd"] : ["ovs-vswitchd", "ovn-controller"],
    control(target, command, ...args) {
      const socket = target === "ovs-vswitchd" ? vswitchd : controller;
      if (socket === undefined) throw new UsageError(`--control ${place.name}: without ovn-controller's socket`);
      return sendControl(host, socket, command, args);
    },
  };
}

/** The switch of this host, if there is one. */
async function localHypervisor(host: Host, tls: TlsProvider | undefined): Promise<HypervisorPlace | undefined> {
  const run = runOf(host);
  if (!(await host.runtime.files.exists(`${run}/db.sock`))) return undefined;
  return {
    name: host.hostname,
    runtime: host.runtime,
    database: `unix:${run}/db.sock`,
    bridge: (name) => `unix:${run}/${name}.mgmt`,
    async control(target, command, ...args) {
      const socket = await controlSocketOf(host, target === "ovs-vswitchd" ? "ovs" : "ovn", target);
      return sendControl(host, socket, command, args);
    },
    links: hostLinks,
    ...(tls === undefined ? {} : { tls }),
  };
}

async function hostLinks(): Promise<readonly Link[]> {
  const network = await openHostNetwork();
  try {
    return [...network.links.values()].map(({ index, name, mtu }) => ({
      name,
      mtu,
      addresses: network.addresses.filter(({ link }) => link === index).map(({ address }) => address),
    }));
  } finally {
    network.close();
  }
}

/** external_ids:ovn-remote of a hypervisor. */
async function remoteOf({ runtime, database }: HypervisorPlace): Promise<string | undefined> {
  const replica = createReplica({
    runtime,
    schema: openVSwitch,
    remotes: [database],
    once: true,
    monitor: { Open_vSwitch: ["external_ids"] },
  });
  try {
    await replica.ready();
    const [root] = replica.table("Open_vSwitch").rows();
    return root?.external_ids.get("ovn-remote");
  } finally {
    await replica.close();
  }
}
