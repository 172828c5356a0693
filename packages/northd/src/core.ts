/**
 * The core: an engine with all features, and what collects their output. Rows of the northbound database go in; what the
 * southbound database should be comes out in two stores. Numbers and dynamic addresses, which depend on what was given
 * before, are allocated between two commits.
 */
import { createEngine, type Engine, type Input, sameContent } from "@weft/incremental";
import type { TableName, Uuid } from "@weft/ovsdb";
import type { NbSchema } from "@weft/schemas";
import { type DatapathKeys, datapathKeys } from "./allocate/datapathKeys.ts";
import { Ipam, type IpamFact, pools, takenByRouterPorts, takenBySwitchPorts, wants } from "./allocate/ipam.ts";
import { type NumberOutcome, Numbers } from "./allocate/numbers.ts";
import {
  aclRequests,
  groupKeys,
  type KeyRequest,
  mirrorPortKeys,
  queueRequests,
  redirectKeys,
  routerKeys,
  routerPortKeys,
  switchKeys,
  switchPortKeys,
  tagRequests,
} from "./allocate/requests.ts";
import { flowFeatures, rowFeatures } from "./features.ts";
import { ACTIVATED, activated } from "./model/activation.ts";
import { serviceStatus } from "./model/backends.ts";
import { type BfdFacts, sbBfd } from "./model/bfd.ts";
import { type ChassisFacts, type ChassisFeature, chassis, chassisFeature, chassisFeatureNames } from "./model/chassis.ts";
import { type LearnedRoute, learnedRoutes } from "./model/dynamicRouting.ts";
import { groupKey, type Membership, memberships } from "./model/multicast.ts";
import { aclId, datapathKey, dynamicAddresses, nb, portChassis, portKey, portQueue, portTag, portUp } from "./model/nb.ts";
import { networkFunctionGroup } from "./model/networkFunction.ts";
import { problems } from "./model/problems.ts";
import { REMOTELY_BOUND, remotelyBound } from "./model/remotelyBound.ts";
import { DELEGATED, delegated } from "./model/routerAdvertisement.ts";
import { FlowStore } from "./output/flows.ts";
import { type Columns, row } from "./output/row.ts";
import { RowStore } from "./output/rows.ts";
import { constantRows } from "./southbound/constant.ts";

export interface CoreHooks {
  /** The tunnel key that the southbound database has for a datapath (by the uuid of switch or router), if any. */
  existingDatapathKey(uuid: string): number | undefined;
  /** The same for a port, by name, on a datapath. */
  existingPortKey(name: string, datapath: string): number | undefined;
  /** The tunnel key that the southbound database has for a multicast group, by its address, on a datapath. */
  existingGroupKey(address: string, datapath: string): number | undefined;
  /** The queue that the southbound database has for a port, by name. */
  existingQueue(port: string): number | undefined;
  /** The number that the southbound database has for an ACL, by its uuid. */
  existingAclId(uuid: string): number | undefined;
  warn(module: string, text: string): void;
}

const MAX_PORT_KEY = 32_767;
const MAX_PORT_KEY_VXLAN = 2047;
/** Queue 0 is that of everybody else. */
const MAX_QUEUE = 61_440;
const MAX_ACL_ID = 32_767;

/** A disabled router is as good as not there. */
function disabled(row: object): boolean {
  return (row as { readonly enabled?: boolean }).enabled === false;
}

export class Core {
  readonly engine: Engine;
  readonly flows = new FlowStore();
  readonly rows = new RowStore();
  readonly #datapathKeys: Numbers<KeyRequest>;
  readonly #portKeys: Numbers<KeyRequest>;
  readonly #aclIds: Numbers<KeyRequest>;
  readonly #queues: Numbers<KeyRequest>;
  readonly #groupKeys: Numbers<KeyRequest>;
  readonly #tags: Numbers;
  readonly #ipam: Ipam;
  readonly #hooks: CoreHooks;
  /** Ports whose tag or dynamic addresses changed since {@link takeWriteBacks}. */
  readonly #writeBacks = new Set<Uuid>();
  readonly #givenTags = new Map<Uuid, number>();
  readonly #givenAddresses = new Map<Uuid, string>();

  readonly keys: DatapathKeys;

  constructor(hooks: CoreHooks, keys: DatapathKeys = datapathKeys(false, false)) {
    this.keys = keys;
    this.#hooks = hooks;
    this.engine = createEngine({
      onError: ({ definition, key, error }) =>
        hooks.warn("northd", `${definition}: ${key}: ${error instanceof Error ? error.message : String(error)}`),
    });
    const { engine } = this;
    this.#datapathKeys = new Numbers(
      { min: 1, max: keys.max, requestable: keys.requestable, order: "next", share: false },
      {
        ...this.#outcome("datapath", datapathKey),
        conflict: ({ requested, id }) => {
          const text = `Logical datapath ${id} requests same tunnel key ${requested} as another logical datapath`;
          hooks.warn("datapath_sync", text);
        },
        refused: ({ requested, asker }) =>
          hooks.warn(`en_datapath_logical_${asker?.kind}`, this.#refusal(requested, `datapath ${asker?.name}`)),
      },
    );
    this.#portKeys = new Numbers(
      { min: 1, max: keys.vxlan ? MAX_PORT_KEY_VXLAN : MAX_PORT_KEY, order: "next", share: false },
      {
        ...this.#outcome("port", portKey),
        conflict: ({ requested, asker }) =>
          hooks.warn(
            "northd",
            `Logical ${asker?.kind} port ${asker?.name} requests same tunnel key ${requested} as another LSP or LRP`,
          ),
        refused: ({ requested, asker }) => hooks.warn("northd", this.#refusal(requested, `port ${asker?.name}`)),
      },
    );
    this.#aclIds = new Numbers({ min: 1, max: MAX_ACL_ID, order: "lowest", share: false }, this.#outcome("ACL", aclId));
    this.#queues = new Numbers({ min: 1, max: MAX_QUEUE, order: "lowest", share: false }, this.#outcome("queue", portQueue));
    this.#groupKeys = new Numbers(
      { min: 32_773, max: 65_535, order: "next", share: false },
      this.#outcome("multicast group", groupKey),
    );
    this.#tags = new Numbers(
      { min: 1, max: 4095, order: "lowest", share: true },
      {
        set: (id, number) => {
          engine.set(portTag, id as Uuid, number);
          this.#givenTags.set(id as Uuid, number);
          this.#writeBacks.add(id as Uuid);
        },
        delete: (id) => {
          engine.delete(portTag, id as Uuid);
          this.#givenTags.delete(id as Uuid);
          this.#writeBacks.add(id as Uuid);
        },
        exhausted: ({ scope }) => hooks.warn("northd", `all vlan tags of parent port ${scope} are in use`),
        // They may be shared, and the schema lets nobody ask for others.
        conflict: () => {},
        refused: () => {},
      },
    );
    this.#ipam = new Ipam({
      set: (port, addresses) => {
        engine.set(dynamicAddresses, port, addresses);
        this.#givenAddresses.set(port, addresses);
        this.#writeBacks.add(port);
      },
      delete: (port) => {
        engine.delete(dynamicAddresses, port);
        this.#givenAddresses.delete(port);
        this.#writeBacks.add(port);
      },
      warn: (text) => hooks.warn("ipam", text),
    });
    this.#collect();
    for (const row of constantRows()) this.rows.add(row);
  }

  /** What becomes of numbers; nobody asks for a certain one. */
  #outcome<K extends string>(what: string, source: Input<K, number>): NumberOutcome<KeyRequest> {
    const { engine } = this;
    return {
      set: (id, number) => engine.set(source, id as K, number),
      delete: (id) => engine.delete(source, id as K),
      exhausted: () => this.#hooks.warn("ovn_util", `all ${what} tunnel ids exhausted`),
      conflict: () => {},
      refused: () => {},
    };
  }

  #refusal(requested: number | undefined, whose: string): string {
    return `Tunnel key ${requested} for ${whose} is ${this.keys.vxlan ? "incompatible with VXLAN" : "too large"}`;
  }

  #collect(): void {
    const { engine } = this;
    const hooks = this.#hooks;
    engine.collect(flowFeatures, this.flows);
    engine.collect(rowFeatures, this.rows);
    const known = (numbers: Numbers<KeyRequest>, find: (request: KeyRequest) => number | undefined) => {
      // The request as handed on is another object than the one yielded: remember which.
      const handed = new Map<KeyRequest, KeyRequest>();
      return {
        add(request: KeyRequest) {
          const full = { ...request, existing: find(request) };
          handed.set(request, full);
          numbers.add(full);
        },
        remove(request: KeyRequest) {
          const full = handed.get(request);
          handed.delete(request);
          if (full !== undefined) numbers.remove(full);
        },
      };
    };
    engine.collect(
      [switchKeys, routerKeys],
      known(this.#datapathKeys, ({ name }) => hooks.existingDatapathKey(name)),
    );
    engine.collect(
      [switchPortKeys, routerPortKeys, redirectKeys, mirrorPortKeys],
      known(this.#portKeys, ({ name, scope }) => hooks.existingPortKey(name, scope)),
    );
    engine.collect(
      [aclRequests],
      known(this.#aclIds, ({ name }) => hooks.existingAclId(name)),
    );
    engine.collect(
      [queueRequests],
      known(this.#queues, ({ name }) => hooks.existingQueue(name)),
    );
    engine.collect(
      groupKeys,
      known(this.#groupKeys, ({ name, scope }) => hooks.existingGroupKey(name, scope)),
    );
    engine.collect([tagRequests], this.#tags);
    engine.collect<IpamFact>([pools, wants, takenBySwitchPorts, takenByRouterPorts], this.#ipam);
    engine.collect(problems, { add: ({ module, text }) => hooks.warn(module, text), remove: () => {} });
  }

  set macPrefix(prefix: string) {
    this.#ipam.macPrefix = prefix;
  }

  /** Writes a row of the northbound database, or deletes it. */
  set(table: TableName<NbSchema>, uuid: Uuid, row: object | undefined): void {
    // The row is of this table by the change set's word.
    const source = nb[table] as unknown as Input<Uuid, object>;
    if (row === undefined || (table === "Logical_Router" && disabled(row))) this.engine.delete(source, uuid);
    else this.engine.set(source, uuid, row);
  }

  /** The only row of SB_Global. */
  setGlobal(columns: Columns): void {
    if (!sameContent(this.rows.find("SB_Global", "")?.desired?.columns, columns)) this.rows.add(row("SB_Global", "", columns));
  }

  setChassis(uuid: Uuid, facts: ChassisFacts | undefined): void {
    if (facts === undefined) this.engine.delete(chassis, uuid);
    else this.engine.set(chassis, uuid, facts);
  }

  /** Which features of controllers the flows make use of. */
  chassisFeatures(): ReadonlyMap<ChassisFeature, boolean> {
    return new Map(chassisFeatureNames.map((feature) => [feature, this.engine.read(chassisFeature, feature)]));
  }

  /** Where a port is, by the uuid of the NB row: whether it is up, and the name of its chassis. */
  setBfd(uuid: Uuid, facts: BfdFacts | undefined): void {
    if (facts === undefined) this.engine.delete(sbBfd, uuid);
    else this.engine.set(sbBfd, uuid, facts);
  }

  setPortUp(uuid: Uuid, up: boolean | undefined, chassisName?: string): void {
    if (up === true) this.engine.set(portUp, uuid, true);
    else this.engine.delete(portUp, uuid);
    if (chassisName === undefined) this.engine.delete(portChassis, uuid);
    else this.engine.set(portChassis, uuid, chassisName);
  }

  /** What chassis tell in the options of a port binding, by the port's name; undefined: the row is gone. */
  setTold(port: string, options: ReadonlyMap<string, string> | undefined): void {
    const tell = (source: typeof delegated, told: string | undefined): void => {
      if (told === undefined) this.engine.delete(source, port);
      else this.engine.set(source, port, told);
    };
    tell(delegated, options?.get(DELEGATED));
    tell(activated, options?.get(ACTIVATED));
    tell(remotelyBound, options?.get(REMOTELY_BOUND));
  }

  /** A route that a chassis learned, by the uuid of the row. */
  setLearnedRoute(uuid: Uuid, route: LearnedRoute | undefined): void {
    if (route === undefined) this.engine.delete(learnedRoutes, uuid);
    else this.engine.set(learnedRoutes, uuid, route);
  }

  /** What a chassis learned of multicast, by the uuid of the row. */
  setMembership(uuid: Uuid, membership: Membership | undefined): void {
    if (membership === undefined) this.engine.delete(memberships, uuid);
    else this.engine.set(memberships, uuid, membership);
  }

  /** What a chassis found out about a service, by its key. */
  setServiceStatus(key: string, status: string | undefined): void {
    if (status === undefined || status === "") this.engine.delete(serviceStatus, key);
    else this.engine.set(serviceStatus, key, status);
  }

  /** The network function that a group's traffic goes through, by the uuids of the rows. */
  activeNetworkFunction(group: Uuid): Uuid | undefined {
    return this.engine.read(networkFunctionGroup, group)?.active?.uuid;
  }

  /** Brings the stores up to date. */
  compute(): void {
    this.engine.commit();
    for (;;) {
      const given = [this.#datapathKeys, this.#portKeys, this.#aclIds, this.#queues, this.#groupKeys, this.#tags, this.#ipam].map(
        (allocator) => allocator.flush(),
      );
      if (!given.includes(true)) return;
      this.engine.commit();
    }
  }

  /** Ports whose tag or dynamic addresses are to be written to the northbound database, since the last call. */
  takeWriteBacks(): readonly Uuid[] {
    const ports = [...this.#writeBacks];
    this.#writeBacks.clear();
    return ports;
  }

  tagOf(port: Uuid): number | undefined {
    return this.#givenTags.get(port);
  }

  addressesOf(port: Uuid): string | undefined {
    return this.#givenAddresses.get(port);
  }
}
