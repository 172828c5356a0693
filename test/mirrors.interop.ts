/**
 * Mirrors of ports (ovn-nb(5), Mirror): the rows that our controller and the reference's write into the switch's database,
 * and for mirrors of logical flows their ports and packets.
 */
import { type Header, parseIpv4, parseMac } from "@weft/packet";
import { expect, test } from "vitest";
import { controllerPair } from "./reference/controllerPair.ts";

const pair = controllerPair(
  `
  ovn-nbctl ls-add s -- lsp-add s p1 -- lsp-add s p2 -- lsp-add s p3 -- lsp-add s sink -- ls-add t
  for n in 4 5 6 7; do ovn-nbctl lsp-add t p$n -- lsp-set-addresses p$n "50:54:00:00:00:0$n 10.0.0.$n"; done`,
  ["p1", "p2", "w2/p3", "sink", "p4", "p5", "w2/p6", "w2/p7"],
);

/** For each mirror of w1 its sources, its destinations and where it copies to; and the tunnels that are there for it. */
const STATE = `
  vs() { hv_do w1 ovs-vsctl --bare "$@"; }
  names() { for port in "$@"; do vs --columns=name list Port $port; done | grep . | sort | tr '\\n' ' '; }
  vs --columns=name list Mirror | grep . | sort | while read -r mirror; do
    from=$(names $(vs get Mirror $mirror select_src_port | tr -d '[],'))
    to=$(names $(vs get Mirror $mirror select_dst_port | tr -d '[],'))
    echo "$mirror $(vs --columns=external_ids list Mirror $mirror): from $from to $to into $(names $(vs get Mirror $mirror output_port))"
  done
  echo $(vs get bridge br-int mirrors | grep -o '[0-9a-f-]*' | grep -c .) mirrors
  for port in $(vs --columns=name find Port external_ids:ovn-owned=true | sort); do
    echo $port $(vs --columns=type,options list Interface $port)
  done`;

/** The northbound row of a mirror: `set` knows none by name. */
const ROW = (name: string): string => `$(ovn-nbctl --bare --columns=_uuid find Mirror name=${name})`;

test.each([
  ["none", "", "0 mirrors"],
  [
    "into a GRE tunnel",
    "ovn-nbctl mirror-add m1 gre 5 from-lport 192.168.9.9 -- lsp-attach-mirror p1 m1",
    "m1 ovn-owned=true: from p1  to  into ovn-m1",
  ],
  [
    "for two ports",
    "ovn-nbctl lsp-attach-mirror p2 m1 -- lsp-attach-mirror p3 m1",
    "m1 ovn-owned=true: from p1 p2  to  into ovn-m1",
  ],
  [
    "into an ERSPAN tunnel over IPv6",
    "ovn-nbctl mirror-add m2 erspan 300 to-lport fd00::9 -- lsp-attach-mirror p2 m2",
    "ovn-m2 ip6erspan erspan_idx=300 erspan_ver=1 key=300 remote_ip=fd00::9",
  ],
  ["to an interface that is not there", "ovn-nbctl mirror-add m3 local both here -- lsp-attach-mirror p1 m3", "2 mirrors"],
  [
    "that comes",
    "hv_do w1 ovs-vsctl set interface sink external_ids:mirror-id=here",
    "m3 ovn-owned=true: from p1  to p1  into sink",
  ],
  ["another direction", `ovn-nbctl set mirror ${ROW("m1")} filter=both`, "m1 ovn-owned=true: from p1 p2  to p1 p2  into ovn-m1"],
  [
    "another sink",
    `ovn-nbctl set mirror ${ROW("m2")} sink=192.168.9.8 index=9`,
    "ovn-m2 erspan erspan_idx=9 erspan_ver=1 key=9 remote_ip=192.168.9.8",
  ],
  ["another type", `ovn-nbctl set mirror ${ROW("m2")} type=gre`, "ovn-m2 gre key=9 remote_ip=192.168.9.8"],
  // The reference leaves the tunnel there unless the mirror goes first.
  [
    "an interface in place of a tunnel",
    `ovn-nbctl --wait=hv lsp-detach-mirror p2 m2; ovn-nbctl set mirror ${ROW("m2")} type=local sink=here -- lsp-attach-mirror p2 m2`,
    "m2 ovn-owned=true: from  to p2  into sink",
  ],
  ["a port that is mirrored no more", "ovn-nbctl lsp-detach-mirror p1 m1", "m1 ovn-owned=true: from p2  to p2  into ovn-m1"],
  ["a port that leaves", "hv_do w1 ovs-vsctl clear interface p2 external_ids", "1 mirrors"],
  ["an interface that leaves", "hv_do w1 ovs-vsctl clear interface sink external_ids", "0 mirrors"],
  [
    "somebody else's",
    "hv_do w1 ovs-vsctl -- --id=@m create Mirror name=mine select_all=true -- add bridge br-int mirrors @m >/dev/null; ovn-nbctl mirror-del",
    "mine : from  to  into \n1 mirrors",
  ],
])(
  "%s",
  async (_what, script, expected) => {
    pair.run(script);
    expect(await pair.sameRows(STATE, expected)).not.toBe("");
  },
  60_000,
);

/** The ports that mirrors of logical flows lead to, and where they are. */
const PORTS = `
  for port in $(ovn-sbctl --bare --columns=logical_port find Port_Binding type=mirror | sort); do
    chassis=$(ovn-sbctl get Port_Binding $port chassis | tr -d '[]')
    echo $port into $(ovn-sbctl --bare --columns=mirror_port,up list Port_Binding $port) at \
      $([[ -z $chassis ]] || ovn-sbctl get Chassis $chassis name)
  done
  key=$(ovn-sbctl --bare --columns=tunnel_key find Datapath_Binding external_ids:name=t)
  for node in w1 w2; do
    hv_do $node ovs-ofctl --no-stats -O OpenFlow15 dump-flows br-int | grep -E "table=(4[3-7]|6[45]),.*metadata=0x$key " |
      sed -E 's/.*(table=)/\\1/; s/set_field:0x[0-9a-f]+(.0xffff)?->reg1[123],//g; s/set_field:0x[0-9]->reg15/member/g; s/=0x'$key' /=t /; s/set_field:0x'$key'.0xff/set_field:t/' | sort
  done`;

function packet(from: number, to: number): Header[] {
  const mac = (host: number) => parseMac(`50:54:00:00:00:0${host}`)!;
  const ip = (host: number) => parseIpv4(`10.0.0.${host}`)!;
  return [
    { kind: "ethernet", dst: mac(to), src: mac(from) },
    { kind: "ipv4", src: ip(from), dst: ip(to), ttl: 64 },
    { kind: "udp", srcPort: 5000 + from, dstPort: 5000 + to },
  ];
}

/** What arrives on each side, until so many frames have; copies may go through the other node. */
async function arrivals(frames: readonly (readonly [port: string, packet: Header[]])[], count: number): Promise<string[][]> {
  const got: string[][] = [[], []];
  for (const [port, frame] of frames) {
    const { reference, weft } = await pair.answers(port, frame);
    got[0]!.push(...reference);
    got[1]!.push(...weft);
  }
  for (let looks = 0; looks < 200 && got.some(({ length }) => length < count); looks++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (const [i, side] of pair.sides.entries()) got[i]!.push(...pair.taken(side));
  }
  return got.map((lines) => lines.sort());
}

// One mirror at a time: of two, the logical flows have the same match and priority.
test.each([
  ["to a port here", "ovn-nbctl mirror-add m4 lport both p5 -- lsp-attach-mirror p4 m4", "mp-t-p5 into p5 true at w1", 4],
  ["by rules", 'ovn-nbctl mirror-rule-add m4 100 "udp.dst == 5004" skip', "mp-t-p5 into p5 true at w1", 3],
  ["to a port that leaves", "hv_do w1 ovs-vsctl clear interface p5 external_ids", "mp-t-p5 into p5 false at\n", 2],
  [
    "to a port of another node",
    "ovn-nbctl lsp-detach-mirror p4 m4 -- mirror-add m5 lport both p7 -- lsp-attach-mirror p4 m5",
    "mp-t-p7 into p7 true at w2",
    4,
  ],
])(
  "a mirror of logical flows %s",
  async (_what, script, expected, count) => {
    pair.run(script);
    await pair.sameRows(PORTS, expected);
    const [reference, weft] = await arrivals(
      [
        ["p4", packet(4, 6)],
        ["w2/p6", packet(6, 4)],
      ],
      count,
    );
    expect(reference).toHaveLength(count);
    expect(weft).toEqual(reference);
  },
  60_000,
);
