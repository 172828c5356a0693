/** northd over connections to servers, whose updates may come later than the answers to what they tell of. */
import { type Channel, createReplica, createServer, memoryDatabase, type OvsdbServer } from "@weft/ovsdb";
import { type VirtualRuntime, virtualRuntime } from "@weft/runtime";
import { ovnNorthbound, ovnSouthbound } from "@weft/schemas";
import { expect, test } from "vitest";
import { createNorthd } from "./index.ts";

/** A channel on which notifications take `ms` longer than replies do. */
function late(channel: Channel, { clock }: VirtualRuntime, ms: number): Channel {
  return Object.create(channel, {
    start: {
      value: (handlers: Parameters<Channel["start"]>[0]) =>
        channel.start({
          ...handlers,
          onMessage: (message) => {
            if ("method" in message && message.id === null) clock.after(ms, () => handlers.onMessage(message));
            else handlers.onMessage(message);
          },
        }),
    },
    send: { value: channel.send.bind(channel) },
    sendPart: { value: channel.sendPart.bind(channel) },
  });
}

async function place(ms: number) {
  const runtime = virtualRuntime({ seed: 1 });
  const servers: readonly OvsdbServer[] = await Promise.all(
    [ovnNorthbound, ovnSouthbound].map((schema) => createServer({ runtime, databases: [memoryDatabase(runtime, schema)] })),
  );
  const replica = <S extends typeof ovnNorthbound | typeof ovnSouthbound>(schema: S, delay: number) => {
    const server = servers[schema.name === "OVN_Northbound" ? 0 : 1]!;
    const connect = async () => late(server.connect(), runtime, delay);
    return createReplica({ runtime, schema, remotes: ["memory:"], connect });
  };
  const northd = createNorthd({ runtime, nb: replica(ovnNorthbound, 0), sb: replica(ovnSouthbound, ms) });
  const nb = replica(ovnNorthbound, 0);
  const sb = replica(ovnSouthbound, 0);
  const started = northd.start();
  await runtime.clock.advance(1000);
  await started;
  const settle = () => runtime.clock.advance(1000);
  await settle();
  return { nb, sb, settle };
}

test.each([0, 40])("a port is told to be down, and then up, where updates come %i ms late", async (ms) => {
  const { nb, sb, settle } = await place(ms);
  const first = nb.transaction();
  first.insert("Logical_Switch", { name: "a" });
  void first.commit();
  await settle();
  const [ls] = nb.table("Logical_Switch").rows();
  const [global] = nb.table("NB_Global").rows();
  const told: string[] = [];
  nb.onChange(({ changes }) => told.push(changes.map(({ table }) => table).join()));
  const second = nb.transaction();
  second.mutate("Logical_Switch", ls!._uuid, "ports", { insert: [second.insert("Logical_Switch_Port", { name: "p" })] });
  second.update("NB_Global", global!._uuid, { nb_cfg: 3 });
  void second.commit();
  await settle();
  const up = () => [...nb.table("Logical_Switch_Port").rows()][0]!.up;
  expect(up()).toBe(false);
  expect(nb.table("NB_Global").get(global!._uuid)!.sb_cfg).toBe(3);
  expect(told.slice(1)).toEqual(["NB_Global", "Logical_Switch_Port"]);
  const third = sb.transaction();
  const encap = third.insert("Encap", { type: "geneve", ip: "10.9.0.1", chassis_name: "hv1" });
  const chassis = third.insert("Chassis", { name: "hv1", encaps: [encap] });
  third.update("Port_Binding", [...sb.table("Port_Binding").rows()][0]!._uuid, { chassis, up: true });
  void third.commit();
  await settle();
  expect(up()).toBe(true);
});
