/** Static_MAC_Binding: neighbours of router ports that are known without asking. */
import { each } from "@weft/incremental";
import { nb, routerPortsByName } from "../model/nb.ts";
import { routerPort } from "../model/routerPort.ts";
import { type Row, row } from "../output/row.ts";
import { datapathRef } from "./datapaths.ts";

export const staticNeighbours = each(
  "northd/staticNeighbours",
  nb.Static_MAC_Binding,
  function* (_uuid, known, read): Iterable<Row> {
    const { logical_port, ip, mac, override_dynamic_mac } = known;
    const id = read(routerPortsByName, logical_port)[0];
    const port = id === undefined ? undefined : read(routerPort, id);
    if (port === undefined) return;
    const columns = { logical_port, ip, mac, override_dynamic_mac, datapath: datapathRef(port.datapath) };
    yield row("Static_MAC_Binding", `${logical_port} ${ip}`, columns);
  },
);
