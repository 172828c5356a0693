/**
 * What a cloud would be after a change of its databases: ovn-northd's and ovn-controller's work is done on copies of them, by
 * our own of both. Nothing of it is written anywhere.
 */
import { Core } from "@weft/controller";
import { createNorthd } from "@weft/northd";
import { type MemoryReplica, memoryReplica, type Replica, type SchemaJson, type TableName, type Uuid } from "@weft/ovsdb";
import { ConfigurableLogBook, messageOf, type Runtime } from "@weft/runtime";
import { type NbSchema, openVSwitch, ovnNorthbound, ovnSouthbound, type SbSchema } from "@weft/schemas";
import type { InstalledState } from "../cloud/bridge.ts";
import { type Cloud, type Hypervisor, integrationBridgeOf } from "../cloud/cloud.ts";
import { desiredState, rowsOf } from "../cloud/desired.ts";

export interface CopiedDatabases {
  readonly nb: MemoryReplica<NbSchema>;
  readonly sb: MemoryReplica<SbSchema>;
}

export interface ChangedCloud {
  readonly cloud: Cloud;
  /** What each hypervisor would have installed. */
  readonly installed: (hypervisor: Hypervisor) => ReadonlyMap<string, InstalledState>;
}

/** Undefined where the northbound or the southbound is not known. */
export async function whatIf(cloud: Cloud, change: (databases: CopiedDatabases) => void): Promise<ChangedCloud | undefined> {
  const [first] = cloud.hypervisors;
  if (cloud.nb === undefined || cloud.sb === undefined || first === undefined) return undefined;
  const nb = copyOf(ovnNorthbound, cloud.nb);
  const sb = copyOf(ovnSouthbound, cloud.sb);
  change({ nb, sb });
  const runtime = hurriedRuntime(first.place.runtime);
  const northd = createNorthd({ runtime, nb, sb });
  await northd.start();
  await northd.idle();
  // Ports that become local make others local: gateways, then what is behind them.
  for (let round = 0; round < CLAIM_ROUNDS && cloud.hypervisors.map((one) => claim(sb, one)).includes(true); round++)
    await northd.idle();
  await northd.stop();
  const states = new Map<Hypervisor, InstalledState>();
  for (const hypervisor of cloud.hypervisors) {
    const installed = hypervisor.bridges.get(integrationBridgeOf(hypervisor));
    if (installed === undefined || hypervisor.systemId === "") continue;
    const { flows: desired, groups, meters } = desiredState(sb, hypervisor.ovs, hypervisor.systemId);
    const flows = desired.map(({ cookie, ...flow }) => ({ ...flow, cookie: BigInt(cookie) }));
    states.set(hypervisor, { flows, groups, meters, tlv: installed.tlv });
  }
  return {
    cloud: { ...cloud, nb, sb },
    installed(hypervisor) {
      const state = states.get(hypervisor);
      return state === undefined ? hypervisor.bridges : new Map(hypervisor.bridges).set(integrationBridgeOf(hypervisor), state);
    },
  };
}

const CLAIM_ROUNDS = 4;

/** Writes what a controller would write of its own: the ports that it claims. Returns whether there was anything. */
function claim(sb: MemoryReplica<SbSchema>, { ovs, systemId, place }: Hypervisor): boolean {
  if (systemId === "") return false;
  const log = place.runtime.log.logger("what_if");
  const core = new Core({
    settings: { systemId, hostname: "", rundir: "", startTime: 0 },
    onError: ({ definition, key, error }) => log.warn(`${definition} ${key}: ${messageOf(error)}`),
  });
  core.feed("sb", rowsOf(ovnSouthbound.tables, sb));
  core.feed("ovs", rowsOf(openVSwitch.tables, ovs));
  core.commit(true);
  const { clock } = place.runtime;
  const claims = core.sbWrites.due(clock.now()).writes.filter(({ name }) => name.startsWith("Port_Binding "));
  if (claims.length > 0)
    sb.edit((transaction) => {
      for (const { apply } of claims) apply(transaction as never, clock.wall());
    });
  return claims.length > 0;
}

function copyOf<S extends SchemaJson>(schema: S, from: Pick<Replica<S>, "table">): MemoryReplica<S> {
  const copy = memoryReplica(schema, { integrity: false });
  copy.edit((transaction) => {
    for (const table of Object.keys(schema.tables) as TableName<S>[]) {
      for (const row of from.table(table).rows()) {
        const { _uuid: uuid, ...columns } = row;
        transaction.insert(table, columns as never, uuid as Uuid);
      }
    }
  });
  return copy;
}

/** Nothing in it waits: what is to be done soon is done as soon as the turn of code is over. */
function hurriedRuntime(real: Runtime): Runtime {
  const { clock } = real;
  return {
    ...real,
    log: new ConfigurableLogBook(clock, "trace"),
    clock: {
      now: () => clock.now(),
      wall: () => clock.wall(),
      after: (ms, run, background) => clock.after(ms, run, background),
      every: (ms, run, background) => clock.every(ms, run, background),
      soon: (run) => queueMicrotask(run),
      sleep: (ms) => clock.sleep(ms),
    },
  };
}
