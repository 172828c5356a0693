/** IP_Multicast: how a switch snoops (ovn-nb(5), Logical_Switch:other_config "IP Multicast Snooping Options"). */
import { each } from "@weft/incremental";
import { switches } from "../model/nb.ts";
import { type Row, row } from "../output/row.ts";
import { datapathRef } from "./datapaths.ts";

function number(text: string | undefined, fallback: number, min: number, max: number): number {
  const value = text === undefined ? Number.NaN : Number(text);
  return Number.isInteger(value) ? Math.min(Math.max(value, min), max) : fallback;
}

export const ipMulticast = each("northd/ipMulticast", switches, (uuid, { other_config: config }): Row[] => {
  const idle = number(config.get("mcast_idle_timeout"), 300, 15, 3600);
  return [
    row("IP_Multicast", uuid, {
      datapath: datapathRef(uuid),
      enabled: config.get("mcast_snoop") === "true",
      querier: config.get("mcast_querier") !== "false",
      eth_src: config.get("mcast_eth_src") ?? "",
      ip4_src: config.get("mcast_ip4_src") ?? "",
      ip6_src: config.get("mcast_ip6_src") ?? "",
      table_size: number(config.get("mcast_table_size"), 2048, 1, 2 ** 31 - 1),
      idle_timeout: idle,
      query_interval: number(config.get("mcast_query_interval"), Math.floor(idle / 2), 1, 3600),
      query_max_resp: number(config.get("mcast_query_max_response"), 1, 1, 10),
    }),
  ];
});
