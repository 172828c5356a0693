/**
 * Neighbours and FDB entries age (ovn-nb(5), mac_binding_age_threshold and fdb_age_threshold): in clouds of the reference's
 * daemons, of ours, and of both, what is used stays, what is not goes when its time is over, and neighbours that send
 * nothing are asked for a sign of life.
 */
import { emit, find, formatIpv4, formatMac, parseIpv4, parseMac, toHex } from "@weft/packet";
import { beforeAll, expect, test } from "vitest";
import { allReference, allWeft, Cloud, linkPrograms, type Mix } from "./reference/cloud.ts";

linkPrograms();

const SECONDS = 5;
const clouds = new Map<string, Mix>([
  ["reference", allReference],
  ["weft", { ...allWeft, tools: "reference" }],
  ["our northd", { ...allReference, NORTHD: "weft" }],
  ["our controller", { ...allReference, CONTROLLER: "weft" }],
]);

/** A packet over UDP, as hexadecimal text. */
function frame(srcMac: string, dstMac: string, src: string, dst: string): string {
  return toHex(
    emit([
      { kind: "ethernet", src: parseMac(srcMac)!, dst: parseMac(dstMac)! },
      { kind: "ipv4", src: parseIpv4(src)!, dst: parseIpv4(dst)!, ttl: 64 },
      { kind: "udp", srcPort: 5000, dstPort: 5000 },
    ]),
  );
}

const FROM = frame("50:54:00:00:00:11", "50:54:00:00:00:fe", "10.0.0.11", "10.1.0.1");
const TO = frame("50:54:00:00:01:01", "50:54:00:00:01:fe", "10.1.0.1", "10.0.0.12");

/**
 * The neighbour 10.0.0.11 sends, to 10.0.0.12 is sent, 10.0.0.13 and .14 are quiet; .14 is not to age. In the FDB .11 sends
 * and .13 is quiet. Prints a line for each look: what is there, before and after the guests fall silent.
 */
const LIFE = `
  cloud_start; net_add n1; hv_add w1 n1 10.9.0.1/24
  ovn-nbctl ls-add s -- lsp-add s p1 -- lsp-set-addresses p1 unknown -- set logical_switch s other_config:fdb_age_threshold=${SECONDS} \\
    -- ls-add t -- lsp-add t q1 -- lsp-set-addresses q1 "50:54:00:00:01:01 10.1.0.1" \\
    -- lr-add r -- lrp-add r r-s 50:54:00:00:00:fe 10.0.0.254/24 -- lrp-add r r-t 50:54:00:00:01:fe 10.1.0.254/24 \\
    -- lsp-add-router-port s s-r r-s -- lsp-add-router-port t t-r r-t \\
    -- set logical_router r options:mac_binding_age_threshold='"10.0.0.14/31:0;${SECONDS}"'
  vif_add w1 p1; vif_add w1 q1
  ovn-nbctl --timeout=60 --wait=hv sync
  datapath() { ovn-sbctl --bare --columns=$1 find Datapath_Binding external_ids:name=$2; }
  now=$(date +%s%3N)
  for host in 11 12 13 14; do
    ovn-sbctl create MAC_Binding logical_port=r-s ip=10.0.0.$host mac="\\"50:54:00:00:00:$host\\"" datapath=$(datapath _uuid r) timestamp=$now
  done >/dev/null
  port=$(ovn-sbctl get Port_Binding p1 tunnel_key)
  for host in 11 13; do
    ovn-sbctl create FDB mac="\\"50:54:00:00:00:$host\\"" dp_key=$(datapath tunnel_key s) port_key=$port timestamp=$now
  done >/dev/null
  look() {
    echo "$1 $(($(date +%s%3N) - now)) $(ovn-sbctl --bare --columns=ip list MAC_Binding | grep . | sort | tr '\\n' ' ')" \\
      "$(ovn-sbctl --bare --columns=mac list FDB | grep . | sort | tr '\\n' ' ')"
  }
  while (($(date +%s%3N) - now < ${2500 * SECONDS})); do
    hv_do w1 ovs-appctl netdev-dummy/receive p1 ${FROM} >/dev/null
    hv_do w1 ovs-appctl netdev-dummy/receive q1 ${TO} >/dev/null
    look busy
    sleep 0.2
  done
  for i in $(seq 100); do
    look quiet
    sleep 0.2
    [[ -n $(ovn-sbctl --bare --columns=_uuid list FDB) || $(ovn-sbctl --bare --columns=_uuid list MAC_Binding | grep -c .) != 1 ]] || break
  done
  look end`;

interface Look {
  readonly phase: string;
  /** Milliseconds after the rows' timestamps. */
  readonly time: number;
  readonly rows: readonly string[];
}

interface Life {
  readonly looks: readonly Look[];
  /** Whom the router has asked for, and how. */
  readonly probes: ReadonlySet<string>;
}

const lives = new Map<string, Life>();

async function live(mix: Mix): Promise<Life> {
  const cloud = new Cloud(mix);
  const text = await cloud.background(LIFE);
  const looks = text.split("\n").flatMap((line) => {
    const [phase, time, ...rows] = line.trim().split(/\s+/);
    return rows.length > 0 || phase === "end" ? [{ phase: phase!, time: Number(time), rows }] : [];
  });
  const probes = cloud.capture("w1", "p1").flatMap((layers) => {
    const arp = find(layers, "arp");
    const ethernet = find(layers, "ethernet");
    if (arp?.operation !== 1 || ethernet === undefined) return [];
    return [
      `${formatIpv4(arp.targetIp)} from ${formatMac(arp.senderMac)} ${formatIpv4(arp.senderIp)} to ${formatMac(ethernet.dst)}`,
    ];
  });
  cloud.stop(true);
  return { looks, probes: new Set(probes) };
}

beforeAll(async () => {
  await Promise.all([...clouds].map(async ([name, mix]) => lives.set(name, await live(mix))));
}, 120_000);

/** What is there in a phase, each once. */
function seen(name: string, phase: string, after = 0): string[] {
  const looks = lives.get(name)!.looks.filter((look) => look.phase === phase && look.time > after);
  return [...new Set(looks.map(({ rows }) => rows.join(" ")))];
}

test.each([...clouds.keys()])("%s: what is used stays, and the rest goes in its time", (name) => {
  const all = "10.0.0.11 10.0.0.12 10.0.0.13 10.0.0.14 50:54:00:00:00:11 50:54:00:00:00:13";
  const { looks } = lives.get(name)!;
  const early = looks.filter(({ time }) => time < SECONDS * 1000 - 500);
  expect(early.length).toBeGreaterThan(0);
  for (const { rows } of early) expect(rows.join(" ")).toBe(all);
  expect(seen(name, "busy", 2 * SECONDS * 1000)).toEqual(["10.0.0.11 10.0.0.14 50:54:00:00:00:11"]);
  expect(seen(name, "end")).toEqual(["10.0.0.14"]);
});

test.each([...clouds.keys()])("%s: who does not send is asked for", (name) => {
  const asked = [...lives.get(name)!.probes].filter((probe) => !probe.startsWith("10.0.0.11 ")).sort();
  expect(asked).toEqual([12, 13, 14].map((host) => `10.0.0.${host} from 50:54:00:00:00:fe 10.0.0.254 to ff:ff:ff:ff:ff:ff`));
});
