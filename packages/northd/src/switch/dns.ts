/** Answers DNS queries of a switch's ports from its records (ovn-northd(8), "DNS Lookup" and "DNS Responses"). */
import { each } from "@weft/incremental";
import { type Flow, flow } from "../flow.ts";
import { metered } from "../model/copp.ts";
import { switches } from "../model/nb.ts";
import { hasDns } from "../southbound/services.ts";
import { LS_IN_DNS_LOOKUP, LS_IN_DNS_RESPONSE, LS_OUT_ACL_EVAL } from "../stages.ts";
import { aclTraits } from "./aclModel.ts";

export const dnsFlows = each("switch/dns", switches, function* (uuid, _row, read): Iterable<Flow> {
  if (!hasDns(uuid, read)) return;
  yield flow(uuid, LS_IN_DNS_LOOKUP, 100, "udp.dst == 53", "reg0[4] = dns_lookup(); next;", metered(uuid, "dns", read));
  for (const ip of ["ip4", "ip6"]) {
    yield flow(
      uuid,
      LS_IN_DNS_RESPONSE,
      100,
      "udp.dst == 53 && reg0[4]",
      `eth.dst <-> eth.src; ${ip}.src <-> ${ip}.dst; udp.dst = udp.src; udp.src = 53; outport = inport; flags.loopback = 1; output;`,
    );
  }
  const commit = read(aclTraits, uuid).tracked ? "ct_commit; " : "";
  yield flow(uuid, LS_OUT_ACL_EVAL, 34000, "flags.from_ctrl && udp.src == 53", `reg8[16] = 1; ${commit}next;`);
});
