/** Mirror, and the bindings of ports that carry copies. */
import { each, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { mirrorPorts } from "../model/mirror.ts";
import { nb, portKey, switches } from "../model/nb.ts";
import { Ref, type Row, row } from "../output/row.ts";
import { datapathRef } from "./datapaths.ts";

export const mirrors = each("northd/mirrors", nb.Mirror, (_uuid, { name, filter, sink, type, index, external_ids }): Row[] => [
  row("Mirror", name, { name, filter, sink, type, index, external_ids }),
]);

export function mirrorRefs(port: NbRow<"Logical_Switch_Port">, read: Read): readonly Ref[] {
  return port.mirror_rules.flatMap((uuid) => {
    const mirror = read(nb.Mirror, uuid);
    return mirror === undefined ? [] : [new Ref("Mirror", mirror.name)];
  });
}

export const mirrorPortBindings = each("northd/mirrorPortBindings", switches, function* (uuid, _ls, read): Iterable<Row> {
  for (const { name, sink } of read(mirrorPorts, uuid)) {
    const key = read(portKey, name as Uuid); // its own name stands for the uuid that it does not have
    if (key === undefined) continue;
    yield row(
      "Port_Binding",
      name,
      { datapath: datapathRef(uuid), logical_port: name, tunnel_key: key, type: "mirror", mirror_port: sink },
      { up: false },
    );
  }
});
