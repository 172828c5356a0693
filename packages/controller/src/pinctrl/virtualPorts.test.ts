import { memoryReplica } from "@weft/ovsdb";
import { virtualRuntime } from "@weft/runtime";
import { ovnSouthbound } from "@weft/schemas";
import { expect, test } from "vitest";
import { Lookup } from "./lookup.ts";
import { VirtualPorts } from "./virtualPorts.ts";

test("a port that has just come to a parent stays there for half a second", async () => {
  const runtime = virtualRuntime();
  const sb = memoryReplica(ovnSouthbound, { integrity: false });
  const datapath = sb.insert("Datapath_Binding", { tunnel_key: 1 });
  const chassis = sb.insert("Chassis", { name: "hv1" });
  const insert = (logical_port: string, tunnel_key: number, type = "") =>
    sb.insert("Port_Binding", { datapath, logical_port, tunnel_key, type });
  const port = insert("vp", 9, "virtual");
  insert("p1", 1);
  insert("p2", 2);
  const ports = new VirtualPorts(runtime.clock, runtime.log.logger("pinctrl"));
  const row = () => sb.table("Port_Binding").get(port)!;
  const bind = async (parent: number) => {
    ports.bind({ datapath: 1, port: 9, parent });
    const transaction = sb.transaction();
    ports.write(new Lookup(sb), { uuid: chassis, name: "hv1" }, transaction);
    await transaction.commit();
    ports.changed(port, row());
    return row().virtual_parent;
  };
  ports.changed(port, row());
  expect(await bind(1)).toBe("p1");
  expect(await bind(2)).toBe("p1");
  await runtime.clock.advance(499);
  expect(await bind(2)).toBe("p1");
  await runtime.clock.advance(1);
  expect(await bind(2)).toBe("p2");
});
