/**
 * Random load balancers as ovn-nbctl commands, for a network whose switches and routers are named: VIPs of both families, with
 * ports and without, on the networks of routers and elsewhere; options that do not contradict each other; groups.
 */
import type { Chance } from "./xorshift.ts";

export interface Holders {
  readonly switches: readonly string[];
  readonly routers: readonly string[];
}

const flags = ["reject", "event", "skip_snat", "use_stateless_nat", "add_route", "ct_flush"];

function vips(chance: Chance, number: number): string {
  const entries: string[] = [];
  for (let i = 0; i <= chance.below(3); i++) {
    const six = chance.percent(35);
    const port = chance.percent(75);
    const address = six
      ? chance.pick([`fd16::${number}${i}`, `fd00::${number}${i}`, `fd99::${number}${i}`])
      : chance.pick([`172.16.0.${100 + number * 3 + i}`, `10.0.0.${100 + number * 3 + i}`, `192.168.9.${number * 3 + i}`]);
    const bracketed = six && port ? `[${address}]` : address;
    const backends = Array.from({ length: chance.below(4) }, () => {
      const host = six ? `fd00::${1 + chance.below(9)}` : `10.0.0.${1 + chance.below(9)}`;
      return port ? `${six ? `[${host}]` : host}:${8000 + chance.below(3)}` : host;
    });
    entries.push(`"${bracketed}${port ? `:${80 + i}` : ""}"="${backends.join()}"`);
  }
  return entries.join(",");
}

/** Edits, each the commands of one transaction, that make and attach load balancers. */
export function randomLoadBalancers(chance: Chance, { switches, routers }: Holders, count: number): string[] {
  const lines: string[] = [];
  for (let number = 1; number <= count; number++) {
    const columns = [
      `name=lb${number}`,
      `vips='{${vips(chance, number)}}'`,
      ...chance.some([`protocol=${chance.pick(["tcp", "udp", "sctp"])}`], 70),
      ...chance.some([`selection_fields=${chance.pick(["ip_src", "ip_src,tp_dst", "ipv6_src,tp_src"])}`], 20),
      ...chance.some(flags, 15).map((flag) => `options:${flag}=true`),
      ...chance.some([`options:affinity_timeout=${1 + chance.below(100)}`], 25),
      ...chance.some([`options:neighbor_responder=${chance.pick(["all", "reachable", "none"])}`], 30),
      ...chance.some(["options:hairpin_snat_ip=10.9.9.9"], 10),
    ];
    const grouped = chance.percent(25);
    const group = grouped ? ` -- --id=@g${number} create Load_Balancer_Group name=g${number} load_balancer=@lb${number}` : "";
    const [column, target] = grouped ? ["load_balancer_group", `@g${number}`] : ["load_balancer", `@lb${number}`];
    const attach = [
      ...chance.some(switches, 40).map((name) => ` -- add Logical_Switch ${name} ${column} ${target}`),
      ...chance.some(routers, 50).map((name) => ` -- add Logical_Router ${name} ${column} ${target}`),
    ];
    lines.push(`--id=@lb${number} create Load_Balancer ${columns.join(" ")}${group}${attach.join("")}`);
  }
  return lines;
}
