/** Random flows and packets in ovs-ofctl's syntax, for comparing switches. */
import type { Random } from "@weft/runtime";

export class FlowMaker {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  pick<T>(list: readonly [T, ...T[]]): T {
    return list[this.#random.below(list.length)] ?? list[0];
  }

  chance(percent: number): boolean {
    return this.#random.below(100) < percent;
  }

  ip(): string {
    return this.pick(["10.0.0.1", "10.0.0.2", "10.0.1.1", "10.1.0.1", "192.168.0.1", "10.0.0.130"]);
  }

  ip6(): string {
    return this.pick(["fd00::1", "fd00::2", "fd00:1::1", "fe80::1"]);
  }

  mac(): string {
    return this.pick(["00:00:00:00:00:01", "00:00:00:00:00:02", "ff:ff:ff:ff:ff:ff", "02:00:00:00:00:01"]);
  }

  /** Fields of a match, and the protocol that it is for. */
  #match(table: number): { fields: string[]; proto: string } {
    const m: string[] = [];
    let proto = "";
    if (this.chance(40)) m.push(`in_port=${this.pick(["1", "2", "3", "LOCAL"])}`);
    if (table > 0 && this.chance(50))
      m.push(
        this.pick([
          `reg0=${this.#random.below(3)}`,
          `reg1=${this.#random.below(4)}/0x2`,
          `metadata=${this.#random.below(2)}`,
          "reg5=0x10000/0x10000",
        ]),
      );
    if (this.chance(30)) m.push(`dl_dst=${this.pick([this.mac(), "01:00:00:00:00:00/01:00:00:00:00:00"])}`);
    if (this.chance(20)) m.push(`dl_src=${this.mac()}`);
    if (this.chance(20)) m.push(this.pick(["dl_vlan=5", "vlan_tci=0x1000/0x1000", "vlan_tci=0", "dl_vlan=10"]));
    if (this.chance(70)) {
      proto = this.pick(["ip", "tcp", "udp", "icmp", "arp", "ipv6", "tcp6", "udp6", "icmp6", "tcp", "udp"]);
      m.push(proto);
      const v6 = proto.includes("6");
      if (proto === "arp") {
        if (this.chance(50)) m.push(`arp_op=${this.pick(["1", "2"])}`);
        if (this.chance(40)) m.push(`arp_tpa=${this.ip()}`);
      } else {
        if (this.chance(40))
          m.push(
            v6
              ? `ipv6_dst=${this.pick([this.ip6(), "fd00::/64", "fd00::/16"])}`
              : `nw_dst=${this.pick([this.ip(), "10.0.0.0/8", "10.0.0.0/24", "10.0.0.128/25", "10.1.0.0/16"])}`,
          );
        if (this.chance(25))
          m.push(
            v6
              ? `ipv6_src=${this.pick([this.ip6(), "fd00::/32"])}`
              : `nw_src=${this.pick([this.ip(), "10.0.0.0/16", "192.168.0.0/24"])}`,
          );
        if (this.chance(15)) m.push(this.pick(["nw_ttl=1", "nw_tos=32", "nw_ecn=1"]));
        if (/tcp|udp/.test(proto) && this.chance(50))
          m.push(this.pick(["tp_dst=80", "tp_dst=53", "tp_src=0x400/0xfc00", "tp_dst=0x50/0xfff0"]));
        if (proto === "tcp" && this.chance(15)) m.push("tcp_flags=+syn-ack");
        if (proto === "icmp" && this.chance(40)) m.push(this.pick(["icmp_type=8", "icmp_type=0,icmp_code=0"]));
        if (proto === "icmp6" && this.chance(60)) {
          m.push("icmp_type=135,icmp_code=0");
          proto = "ns";
          if (this.chance(40)) m.push("nd_target=fd00::1");
        }
        if (this.chance(10)) m.push(`ip_frag=${this.pick(["no", "yes", "not_later", "first"])}`);
      }
    }
    if (this.chance(8)) m.push(`ct_state=${this.pick(["+trk+new", "-trk", "+trk+est"])}`);
    return { fields: m, proto };
  }

  #actions(table: number, proto: string, tracked: boolean, depth = 0): string {
    const out: string[] = [];
    const n = 1 + this.#random.below(4);
    for (let i = 0; i < n; i++) {
      const k = this.#random.below(25);
      if (k < 5) out.push(`output:${this.pick(["1", "2", "3", "4", "LOCAL", "IN_PORT", "2", "4"])}`);
      else if (k < 9 && table < 3) out.push(`resubmit(${this.pick(["", "", "2"])},${table + 1 + this.#random.below(3 - table)})`);
      else if (k === 9) out.push(`load:${this.#random.below(4)}->NXM_NX_REG0[]`);
      else if (k === 10) out.push("move:NXM_NX_REG0[0..15]->NXM_NX_REG5[16..31]");
      else if (k === 11) out.push(`mod_dl_dst:${this.mac()}`);
      else if (k === 12) out.push(`mod_dl_src:${this.mac()}`);
      else if (k === 13) out.push(this.pick(["push_vlan:0x8100,set_field:4101->vlan_vid", "strip_vlan", "mod_vlan_vid:7"]));
      else if (k === 14 && /ip|tcp|udp|icmp|ns/.test(proto))
        out.push(this.pick(["dec_ttl", "mod_nw_tos:64", "mod_nw_ttl:7", "dec_ttl(1,2)"]));
      else if (k === 15 && /^(ip|tcp|udp|icmp)$/.test(proto))
        out.push(
          this.pick([
            `mod_nw_dst:${this.ip()}`,
            `mod_nw_src:${this.ip()}`,
            "move:NXM_OF_IP_SRC[]->NXM_OF_IP_DST[]",
            "push:NXM_OF_IP_DST[],pop:NXM_OF_IP_SRC[]",
          ]),
        );
      else if (k === 16 && /^(tcp|udp)6?$/.test(proto)) out.push(this.pick(["mod_tp_dst:99", "mod_tp_src:7"]));
      else if (k === 17 && /6$|ns/.test(proto))
        out.push(this.pick([`set_field:${this.ip6()}->ipv6_dst`, `set_field:${this.ip6()}->ipv6_src`]));
      else if (k === 18 && depth === 0) out.push(`clone(${this.#actions(table, proto, tracked, 1)})`);
      else if (k === 19)
        out.push(this.pick(["controller", "controller(reason=action,max_len=64,id=2)", "controller(userdata=01.02)"]));
      else if (k === 20) out.push(this.pick(["exit", "note:01", "exit", "note:02"]));
      else if (k === 21 && tracked)
        out.push(this.pick(["ct(commit)", "ct(table=2,zone=1)", "ct_clear", "ct(commit,zone=3,exec(load:1->NXM_NX_CT_MARK[]))"]));
      else if (k === 22 && depth === 0)
        out.push(
          this.pick(["group:1", "group:2", "bundle(eth_src,0,active_backup,ofport,members:1,2)", "load:1->NXM_NX_PKT_MARK[]"]),
        );
      else if (k === 23 && proto === "arp")
        out.push(
          this.pick(["load:2->NXM_OF_ARP_OP[]", "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[]", "load:0xa000001->NXM_OF_ARP_SPA[]"]),
        );
      else if (k === 24 && proto === "ns")
        out.push(this.pick(["set_field:fd00::9->nd_target", "set_field:00:00:00:00:00:09->nd_sll"]));
    }
    return out.length === 0 ? "drop" : out.join(",");
  }

  /** Flows of tables 0 to 3, which lead only to later tables. `tracked`: with connection tracking. */
  flows(count: number, tracked: boolean): string[] {
    return Array.from({ length: count }, (_, i) => {
      const table = this.#random.below(4);
      const { fields, proto } = this.#match(table);
      // Priorities differ, so that there is one answer.
      const priority = this.#random.below(5) * 100 + 100 + i;
      return `${[`table=${table}`, `priority=${priority}`, ...fields].join(",")} actions=${this.#actions(table, proto, tracked)}`;
    });
  }

  /** A packet as a flow. */
  packet(): string {
    const proto = this.pick(["tcp", "udp", "icmp", "arp", "tcp6", "udp6", "icmp6", "ip", "", "sctp"]);
    const f = [`in_port=${this.pick(["1", "2", "3", "LOCAL"])}`, `dl_src=${this.mac()}`, `dl_dst=${this.mac()}`];
    if (this.chance(30)) f.push(`dl_vlan=${this.pick(["5", "10"])}`, `dl_vlan_pcp=${this.#random.below(8)}`);
    if (proto !== "") f.push(proto);
    if (/^(tcp|udp|icmp|ip|sctp)$/.test(proto))
      f.push(
        `nw_src=${this.ip()}`,
        `nw_dst=${this.ip()}`,
        `nw_ttl=${this.pick(["1", "2", "64"])}`,
        `nw_tos=${this.pick(["0", "32"])}`,
      );
    if (proto.endsWith("6")) f.push(`ipv6_src=${this.ip6()}`, `ipv6_dst=${this.ip6()}`, `nw_ttl=${this.pick(["1", "64"])}`);
    if (proto === "arp") f.push(`arp_spa=${this.ip()}`, `arp_tpa=${this.ip()}`, `arp_op=${this.pick(["1", "2"])}`);
    if (/^tcp6?$/.test(proto))
      f.push(
        `tcp_dst=${this.pick(["80", "53", "85"])}`,
        `tcp_src=${this.pick(["1024", "5"])}`,
        `tcp_flags=${this.pick(["syn", "ack", "syn|ack"])}`,
      );
    if (/^udp6?$/.test(proto)) f.push(`udp_dst=${this.pick(["80", "53", "85"])}`, `udp_src=${this.pick(["1024", "5"])}`);
    if (proto === "icmp") f.push(`icmp_type=${this.pick(["0", "8"])}`);
    if (proto === "icmp6") f.push("icmpv6_type=135,icmpv6_code=0,nd_target=fd00::1,nd_sll=00:00:00:00:00:08");
    if (this.chance(8) && /^(tcp|udp|ip)6?$/.test(proto)) f.push(this.pick(["nw_frag=first", "nw_frag=later"]));
    return f.join(",");
  }
}
