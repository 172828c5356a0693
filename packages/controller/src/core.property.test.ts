import type { Uuid } from "@weft/ovsdb";
import fc from "fast-check";
import { expect, test } from "vitest";
import { addDatapath, addPort, addVif, flowText, follow, newCloud, newCore, type TestCloud } from "./testing/cloud.ts";

const names = ["p0", "p1", "p2", "p3", "p4", "p5"];
const matches = [
  "1",
  "ip4.src == $as0 && tcp.dst == {80, 443}",
  "outport == @pg0 && ip4.src == {10.0.0.1, 10.0.0.2}",
  'inport == {"p0", "p1", "p2"} && ip4.dst == {10.0.0.1, 10.0.0.7}',
  'is_chassis_resident("p1")',
  'outport == "p3" && udp',
  "ip4.src == $as0",
  "ip4.src == (((", // never parses
];
const actions = [
  "next;",
  "drop;",
  'outport = "p2"; output;',
  'outport = "_MC_flood"; output;',
  "reg0[0..15] = select(1=100, 2=50); next;",
  "arp { eth.dst = ff:ff:ff:ff:ff:ff; output; }; next;",
];

type Edit =
  | { kind: "vif"; port: number; on: boolean; ofport: number }
  | { kind: "binding"; port: number; datapath: number; key: number; remote: boolean; security: boolean; parent: boolean }
  | { kind: "unbind"; port: number }
  | { kind: "patch"; a: number; b: number }
  | { kind: "localnet"; datapath: number; attached: boolean }
  | { kind: "flow"; row: number; match: number; actions: number; datapath: number; group: boolean; ingress: boolean }
  | { kind: "group"; members: number }
  | { kind: "multicast"; datapath: number; ports: number }
  | { kind: "set"; addresses: number }
  | { kind: "portGroup"; ports: number }
  | { kind: "mac"; datapath: number; port: number; mac: number }
  | { kind: "commit" };

const small = (max: number): fc.Arbitrary<number> => fc.nat({ max });
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constant("vif" as const), port: small(5), on: fc.boolean(), ofport: fc.integer({ min: -1, max: 40 }) }),
  fc.record({
    kind: fc.constant("binding" as const),
    port: small(5),
    datapath: small(2),
    key: fc.integer({ min: 1, max: 9 }),
    remote: fc.boolean(),
    security: fc.boolean(),
    parent: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("unbind" as const), port: small(5) }),
  fc.record({ kind: fc.constant("patch" as const), a: small(2), b: small(2) }),
  fc.record({ kind: fc.constant("localnet" as const), datapath: small(2), attached: fc.boolean() }),
  fc.record({
    kind: fc.constant("flow" as const),
    row: small(6),
    match: small(matches.length - 1),
    actions: small(actions.length - 1),
    datapath: small(2),
    group: fc.boolean(),
    ingress: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("group" as const), members: small(7) }),
  fc.record({ kind: fc.constant("multicast" as const), datapath: small(2), ports: small(63) }),
  fc.record({ kind: fc.constant("set" as const), addresses: small(7) }),
  fc.record({ kind: fc.constant("portGroup" as const), ports: small(63) }),
  fc.record({ kind: fc.constant("mac" as const), datapath: small(2), port: small(5), mac: small(3) }),
  fc.record({ kind: fc.constant("commit" as const) }),
);

/** Applies edits to a cloud of three datapaths; rows are addressed by what the edit names. */
class Editor {
  readonly cloud: TestCloud = newCloud();
  readonly datapaths: Uuid[];
  readonly #rows = new Map<string, Uuid>();
  readonly #chassis2: Uuid;

  constructor() {
    const { sb } = this.cloud;
    this.datapaths = [1, 2, 3].map((key) => addDatapath(sb, `d${key}`, key, key === 3 ? "router" : "switch"));
    this.#chassis2 = [...sb.table("Chassis").rows()].find((row) => row.name === "hv2")!._uuid;
    this.#rows.set("group", sb.insert("Logical_DP_Group", { datapaths: this.datapaths }));
    this.#rows.set("set", sb.insert("Address_Set", { name: "as0", addresses: ["10.0.0.1"] }));
    this.#rows.set("portGroup", sb.insert("Port_Group", { name: "1_pg0", ports: ["p0"] }));
  }

  #port(i: number): Uuid | undefined {
    return this.#rows.get(`port ${i}`);
  }

  apply(one: Edit): void {
    const { sb, ovs, core } = this.cloud;
    switch (one.kind) {
      case "vif": {
        const key = `vif ${one.port}`;
        const iface = this.#rows.get(key);
        if (iface === undefined) this.#rows.set(key, addVif(ovs, names[one.port]!, one.ofport).iface);
        else
          ovs.update("Interface", iface, {
            ofport: one.ofport,
            external_ids: one.on ? [["iface-id", names[one.port]!]] : [],
          });
        break;
      }
      case "binding": {
        const columns = {
          logical_port: names[one.port]!,
          datapath: this.datapaths[one.datapath]!,
          tunnel_key: one.key,
          chassis: one.remote ? this.#chassis2 : undefined,
          mac: [`50:54:00:00:00:0${one.port} 10.0.0.${one.port}`],
          port_security: one.security ? [`50:54:00:00:00:0${one.port} 10.0.0.${one.port}/24 fd00::1`] : [],
          parent_port: one.parent && one.port > 0 ? names[one.port - 1] : undefined,
          tag: one.parent && one.port > 0 ? one.port + 10 : undefined,
        };
        const old = this.#port(one.port);
        if (old === undefined) this.#rows.set(`port ${one.port}`, sb.insert("Port_Binding", columns));
        else sb.update("Port_Binding", old, columns);
        break;
      }
      case "unbind": {
        const old = this.#port(one.port);
        if (old !== undefined) sb.delete("Port_Binding", old);
        this.#rows.delete(`port ${one.port}`);
        break;
      }
      case "patch": {
        const key = `patch ${one.a} ${one.b}`;
        const old = this.#rows.get(key);
        if (old !== undefined) {
          sb.delete("Port_Binding", old);
          sb.delete("Port_Binding", this.#rows.get(`${key} peer`)!);
          this.#rows.delete(key);
          break;
        }
        for (const [name, peer, at] of [
          [key, `${key} peer`, one.a],
          [`${key} peer`, key, one.b],
        ] as const) {
          this.#rows.set(
            name,
            sb.insert("Port_Binding", {
              logical_port: name,
              type: "patch",
              datapath: this.datapaths[at]!,
              tunnel_key: 20 + one.a * 3 + one.b + (name === key ? 0 : 10),
              options: [["peer", peer]],
              mac: ["50:54:00:00:00:fe 10.0.0.254/24"],
            }),
          );
        }
        break;
      }
      case "localnet": {
        const key = `localnet ${one.datapath}`;
        const old = this.#rows.get(key);
        if (old === undefined) {
          this.#rows.set(
            key,
            sb.insert("Port_Binding", {
              logical_port: key,
              type: "localnet",
              datapath: this.datapaths[one.datapath]!,
              tunnel_key: 60 + one.datapath,
              tag: one.attached ? 100 : undefined,
              options: [["network_name", "physnet1"]],
            }),
          );
          addPort(ovs, key, 60 + one.datapath, { port: { "ovn-localnet-port": key } });
        } else {
          sb.delete("Port_Binding", old);
          this.#rows.delete(key);
        }
        break;
      }
      case "flow": {
        const key = `flow ${one.row}`;
        const columns = {
          match: matches[one.match]!,
          actions: actions[one.actions]!,
          pipeline: one.ingress ? ("ingress" as const) : ("egress" as const),
          table_id: one.row,
          priority: 100 + (one.row % 2),
          logical_datapath: one.group ? undefined : this.datapaths[one.datapath]!,
          logical_dp_group: one.group ? this.#rows.get("group")! : undefined,
        };
        const old = this.#rows.get(key);
        if (old === undefined) this.#rows.set(key, sb.insert("Logical_Flow", columns));
        else sb.update("Logical_Flow", old, columns);
        break;
      }
      case "group":
        sb.update("Logical_DP_Group", this.#rows.get("group")!, {
          datapaths: this.datapaths.filter((_, i) => (one.members & (1 << i)) !== 0),
        });
        break;
      case "multicast": {
        const key = `multicast ${one.datapath}`;
        const ports = names.flatMap((_, i) => ((one.ports & (1 << i)) !== 0 ? (this.#port(i) ?? []) : []));
        const old = this.#rows.get(key);
        if (old === undefined)
          this.#rows.set(
            key,
            sb.insert("Multicast_Group", {
              name: "_MC_flood",
              datapath: this.datapaths[one.datapath]!,
              tunnel_key: 32768,
              ports,
            }),
          );
        else sb.update("Multicast_Group", old, { ports });
        break;
      }
      case "set":
        sb.update("Address_Set", this.#rows.get("set")!, {
          addresses: ["10.0.0.1", "10.0.0.2", "10.0.1.0/24"].filter((_, i) => (one.addresses & (1 << i)) !== 0),
        });
        break;
      case "portGroup":
        sb.update("Port_Group", this.#rows.get("portGroup")!, { ports: names.filter((_, i) => (one.ports & (1 << i)) !== 0) });
        break;
      case "mac":
        sb.insert("MAC_Binding", {
          logical_port: names[one.port]!,
          datapath: this.datapaths[one.datapath]!,
          ip: `10.0.9.${one.mac}`,
          mac: `50:54:00:00:09:0${one.mac}`,
        });
        break;
      case "commit":
        core.commit(true);
        core.takeFlows();
        break;
    }
  }
}

function everything(core: TestCloud["core"]): string[] {
  core.commit(true);
  core.takeFlows();
  return [...core.flows.flows()].map(flowText).sort();
}

test("after any edits the flows are those of a controller that starts with the result", () => {
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 40 }), (edits) => {
      const editor = new Editor();
      for (const one of edits) editor.apply(one);
      const { core, sb, ovs } = editor.cloud;
      const flows = everything(core);
      const fresh = newCore();
      fresh.zones.restore(new Map([...core.zones.entries()].map(([name, id]) => [`ct-zone-${name}`, String(id)])));
      for (const [key, { request, number }] of core.groups.entries()) fresh.groups.restore(fresh.engine, key, request, number);
      follow(fresh, sb, ovs);
      expect(everything(fresh)).toEqual(flows);
      const due = (one: typeof core) =>
        one.sbWrites
          .due(0)
          .writes.map((write) => write.name)
          .sort();
      expect(due(fresh)).toEqual(due(core));
    }),
    { numRuns: 150 },
  );
});
