import { expect, test } from "vitest";
import { parseFlowMod } from "../text/flow.ts";
import { checkActions, matchErrorOf } from "./actions.ts";

function check(text: string) {
  const { match, actions, table } = parseFlowMod(text, "add");
  const found = checkActions(match, actions, table);
  return [matchErrorOf(found, 1), matchErrorOf(found, 4)];
}

const BAD = "OFPBAC_MATCH_INCONSISTENT";

test.each([
  ["ip,actions=mod_nw_src:1.2.3.4", undefined, undefined],
  // OpenFlow 1.0 has always let this pass, without effect on other packets.
  ["actions=mod_nw_src:1.2.3.4", undefined, BAD],
  ["actions=set_field:1.2.3.4->ip_src", BAD, BAD],
  ["actions=ct(commit)", BAD, BAD],
  ["ip,actions=ct(commit,exec(set_field:1->ct_mark))", undefined, undefined],
  ["ip,actions=push_mpls:0x8847,dec_ttl", undefined, BAD],
  ["ip,actions=push_mpls:0x8847,pop_mpls:0x800,dec_ttl", undefined, undefined],
  ["actions=push_vlan:0x8100,set_field:3->vlan_pcp", undefined, undefined],
  ["actions=set_field:3->vlan_pcp", BAD, BAD],
  ["actions=learn(table=5,eth_type=0x86dd,nw_proto=6,load:5->NXM_OF_TCP_SRC[])", undefined, undefined],
  ["actions=learn(table=5,load:5->NXM_OF_TCP_SRC[])", BAD, BAD],
  ["table=4,actions=goto_table:3", "OFPBIC_BAD_TABLE_ID", "OFPBIC_BAD_TABLE_ID"],
  ["actions=write_actions(dec_ttl)", undefined, undefined],
  ["actions=encap(nsh),set_field:5->nsh_spi", undefined, undefined],
])("%s", (text, of10, of13) => {
  expect(check(text)).toEqual([of10, of13]);
});
