/** What our daemons log of what happens to a cloud, of rows that are wrong and of their memory, beside the reference's. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { askDaemon, controlClouds, controller, daemons, northd, type Side, sides } from "./reference/controlClouds.ts";

const clouds = controlClouds();

it.each(daemons)("the log of %s tells of memory after ten seconds, in the reference's form", async (daemon) => {
  for (const side of sides) {
    const told = () => {
      // The original looks at it when something wakes it.
      askDaemon(clouds.get(side)!, daemon, ["version"]);
      return readFileSync(join(clouds.get(side)!.dir, `${daemon}.log`), "utf8");
    };
    const form =
      /\|memory\|INFO\|\d+ kB peak resident set size after \d+\.\d seconds\n\S+\|\d+\|memory\|INFO\|[\w-]+:\d+( [\w-]+:\d+)*\n/;
    await expect.poll(told, { timeout: 20_000, interval: 500 }).toMatch(form);
  }
});

/** The lines of a log without time and number, of the modules that tell what happens to the cloud. */
function story(side: Side, daemon: string): Set<string> {
  const log = readFileSync(join(clouds.get(side)!.dir, `${daemon}.log`), "utf8");
  const texts = log.split("\n").map((line) => line.split("|").slice(2).join("|"));
  // The reference says this of itself alone: it looks for the switch's features, and tells of an iface and its lport apart.
  const own = /OVS feature set changed|Removing lport \S+ ovn-installed/;
  return new Set(texts.filter((text) => /^(main|binding|ovn_northd)\|(?!DBG)/.test(text) && !own.test(text)));
}

it("logs say what the reference's say", async () => {
  for (const side of sides) {
    clouds.get(side)!.run(`
      unbound() { until [[ -z $(ovn-sbctl --bare --columns=chassis find port_binding logical_port=$1) ]]; do sleep 0.1; done; }
      ovn-nbctl lsp-add a p3 -- lsp-set-addresses p3 "50:54:00:00:00:03 10.0.0.3"; vif_add w1 p3; ovn-nbctl --wait=hv sync
      ovn-nbctl lsp-set-options p3 requested-chassis=w2; ovn-nbctl --wait=hv sync
      unbound p3
      ovn-nbctl lsp-set-options p3 requested-chassis=w1; ovn-nbctl --wait=hv sync
      hv_do w1 ovs-vsctl del-port p1; unbound p1
      ovs-appctl -t $DIR/w1/controller.ctl exit`);
  }
  const told = (side: Side) => [controller, northd].flatMap((daemon) => [...story(side, daemon)]);
  await expect.poll(() => told("reference").filter((line) => !told("weft").includes(line)), { timeout: 10_000 }).toEqual([]);
});

/** Interfaces by name, which cannot be made or not as they are asked for. */
const wrongInterfaces = {
  t1: "type=nosuch",
  g1: "type=geneve",
  g2: "type=geneve options:remote_ip=x options:nope=1",
  g3: "type=geneve options:remote_ip=10.0.0.1 options:key=x",
  g4: "type=geneve options:remote_ip=10.0.0.2 options:dst_port=x",
  g5: "type=geneve options:remote_ip=10.0.0.3 options:dst_port=70000",
  g6: "type=geneve options:remote_ip=10.0.0.4 options:tos=x options:nope=1 options:seq=true",
  g7: "type=geneve options:remote_ip=10.0.0.5 options:ttl=x",
  g8: "type=geneve options:remote_ip=10.0.0.6 options:ttl=300 options:csum=maybe",
  g9: "type=geneve options:remote_ip=10.0.0.7 options:local_ip=x",
  g10: "type=geneve options:remote_ip=10.0.0.9 options:local_ip=flow",
  g11: "type=geneve options:remote_ip=10.0.0.11 options:egress_pkt_mark=x options:df_default=false options:tos=4",
  g12: "type=geneve options:remote_ip=10.0.0.12 options:in_key=5 options:key=6",
  g13: "type=geneve options:remote_ip=224.0.0.1",
  g14: "type=geneve options:remote_ip=10.0.0.13 options:key=0x1000000",
  g15: "type=geneve options:remote_ip=10.0.0.14 options:in_key=012",
  g16: "type=geneve options:remote_ip=10.0.0.14 options:key=10",
  g17: "type=geneve options:remote_ip=flow options:local_ip=flow options:in_key=flow options:tos=inherit options:ttl=inherit",
  v1: "type=vxlan options:remote_ip=10.0.0.1 options:exts=nope",
  e1: "type=gre options:remote_ip=10.0.0.1 options:dst_port=5",
  e2: "type=gre options:remote_ip=10.0.0.2 options:packet_type=nope",
  e3: "type=erspan options:remote_ip=10.0.0.2 options:csum=true options:erspan_ver=1",
  i1: "type=ip6gre options:remote_ip=fc00::1 options:ipsec_x=y",
  i2: "type=ip6gre options:remote_ip=ff02::1",
  q1: "type=patch",
  q2: "type=patch options:peer=nope",
  q3: "type=patch options:peer=q3",
  q4: "type=patch options:peer=q2 options:x=y",
};

it("rows that are wrong are told of, and used as far as the reference uses them", async () => {
  const names = Object.keys(wrongInterfaces);
  const told = new Map<string, unknown>();
  const logged = new Map<string, Set<string>>();
  for (const side of sides) {
    const cloud = clouds.get(side)!;
    const vsctl = (...args: string[]) => cloud.run(`hv_do w2 ovs-vsctl --no-wait ${args.join(" ")}`);
    vsctl("add-br wrong -- add-br nothing -- set bridge nothing datapath_type=nope");
    for (const [name, columns] of Object.entries(wrongInterfaces))
      vsctl(`add-port wrong ${name} -- set interface ${name} ${columns}`);
    const ctl = (command: string) => cloud.run(`hv_do w2 ovs-appctl ${command}`).split("\n");
    const rows = () =>
      cloud.run(`hv_do w2 ovs-vsctl --no-headings --format=csv --columns=name,error list interface ${names.join(" ")}`);
    const failed = () =>
      cloud.run("hv_do w2 ovs-vsctl --bare --columns=name find interface ofport=-1").split("\n").filter(Boolean).sort();
    await expect.poll(() => rows() !== "" && failed().length, { timeout: 10_000 }).toBe(11);
    told.set(side, {
      rows: rows().split("\n").sort(),
      failed: failed(),
      bridges: ctl("ofproto/list").sort(),
      // Numbers of ports follow the order in which they are made.
      ports: ctl("dpif/show").flatMap((line) =>
        names.includes(line.trim().split(" ")[0]!) ? [line.replace(/ \d+\/(\d+|none):/, "")] : [],
      ),
      tunnels: ctl("ofproto/list-tunnels")
        .flatMap((line) => (names.includes(line.split(" ")[2]!) ? [line.replace(/port \d+:|dp port=\d+/g, "port")] : []))
        .sort(),
      nothing: cloud.run("hv_do w2 ovs-vsctl --bare --columns=datapath_id,datapath_version list bridge nothing").trim(),
    });
    const log = readFileSync(join(cloud.dir, "w2/vswitchd.log"), "utf8");
    const texts = log.split("\n").map((line) =>
      line
        .split("|")
        .slice(2)
        .join("|")
        .replace(/dp port=\d+/, "port"),
    );
    const about = /^(netdev_vport|netdev|tunnel|ofproto|bridge)\|(WARN|ERR)\|/;
    logged.set(side, new Set(texts.filter((text) => about.test(text))));
    vsctl("del-br wrong -- del-br nothing");
  }
  expect(told.get("weft")).toEqual(told.get("reference"));
  expect([...logged.get("reference")!].filter((text) => !logged.get("weft")!.has(text))).toEqual([]);
  expect(logged.get("reference")!.size).toBeGreaterThan(25);
});
