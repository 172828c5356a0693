/**
 * Matches of ACLs by connections instead of headers (ovn-nb(5), acl_ct_translation): the same flows from our controller as from the
 * reference's. Not compared: TCP flags, which the reference then does not look at.
 */
import { expect, test } from "vitest";
import { controllerPair } from "./reference/controllerPair.ts";

const pair = controllerPair(
  `ovn-nbctl ls-add s -- set logical_switch s other_config:requested-tnl-key=11 \\
    -- lsp-add s p1 -- set logical_switch_port p1 options:requested-tnl-key=1 -- lsp-add s p2 -- set logical_switch_port p2 options:requested-tnl-key=2`,
  ["p1", "p2"],
);

/** The flows of ACLs, without zones and the numbers of conjunctions. */
const FLOWS = `
  hv_do w1 ovs-ofctl -O OpenFlow15 --no-stats dump-flows br-int | grep 'priority=20[0-9]*,' |
    sed -E 's/^ *//; s/cookie=[^,]*, *//; s/,?commit.*//; s/conj_id=[0-9]*/conj_id/; s/conjunction\\([0-9]*/conjunction(/' | sort`;

const MATCHES = [
  "tcp",
  "tcp.dst == 80",
  "udp.src == 53 && udp.dst == {1000, 1002}",
  "ip4.dst == 1.2.3.4 && sctp.dst > 1023",
  "tcp.src != 7",
  "ip6 && tcp && (tcp.dst == 9 || ip6.dst == fd00::1)",
  "icmp4.type == 8",
  "ip.proto == 6 && tcp.dst == 5",
  "ip4 && tcp.dst == 5 && ip.ttl == 1",
  "4000 <= tcp.dst < 4004",
  "!(tcp.dst == 5)",
  "tcp.dst == {1, 2, 3} && ip4.src == {10.0.0.1, 10.0.0.2}",
];

test.each(["false", "true", "false"])("acl_ct_translation=%s", { timeout: 60_000 }, async (value) => {
  const acls = MATCHES.map((match, i) => `acl-add s to-lport ${1000 + i} 'outport == "p1" && ${match}' allow-related`);
  pair.run(`ovn-nbctl acl-del s -- set nb_global . options:acl_ct_translation=${value} -- ${acls.join(" -- ")}`);
  const flows = await pair.sameRows(FLOWS);
  expect(flows.includes("ct_tp_dst=80")).toBe(value === "true");
  expect(flows.includes("tp_dst=80")).toBe(true);
});
