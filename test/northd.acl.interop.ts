/** Random ACLs with all their columns: the reference's northd and ours have the same southbound database. */
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { NorthdPair } from "./northdPair.ts";
import { Chance } from "./random/xorshift.ts";

const rounds = Number(process.env["ROUNDS"] ?? 6);
let pair: NorthdPair;

beforeAll(async () => {
  pair = await NorthdPair.start();
});
afterEach(() => pair.clear());
afterAll(() => pair.stop());

const actions = ["allow", "allow-related", "allow-stateless", "drop", "reject", "pass"];
const samples = ["@s1", "@s2", "@s3", "@s4", "@s5", "@s6"];

/** Switches, a port group over them, collectors, and samples with no, one and several collectors. */
const setup = `
  ls-add sw1
  lsp-add sw1 p1
  lsp-add sw1 p2
  ls-add sw2
  lsp-add sw2 p3
  ls-add sw3
  pg-add pg p1 p3
  meter-add plain drop 10 pktps
  --fair meter-add fair drop 10 pktps
  lb-add lb 10.0.0.9:80 10.0.0.1:80
  --id=@c1 create Sample_Collector id=1 name=c1 probability=65535 set_id=41
  --id=@c2 create Sample_Collector id=2 name=c2 probability=100 set_id=42
  --id=@c3 create Sample_Collector id=3 name=c3 probability=0 set_id=42
  --id=@s1 create Sample metadata=101
  --id=@s2 create Sample metadata=102 collectors=@c1
  --id=@s3 create Sample metadata=103 collectors=@c2
  --id=@s4 create Sample metadata=104 collectors=@c1,@c2
  --id=@s5 create Sample metadata=105 collectors=@c1,@c2,@c3
  --id=@s6 create Sample metadata=106 collectors=@c3`;

function acl(chance: Chance, number: number): string {
  const columns = [
    `priority=${chance.pick([0, 1, 100, 32767])}`,
    `match='"${chance.pick(["ip4", "inport == @pg && tcp", "outport == @pg && udp.dst == 53", "arp", "1"])}"'`,
    `action=${chance.pick(actions)}`,
    `direction=${chance.pick(["from-lport", "to-lport"])}`,
    `tier=${chance.percent(30) ? chance.below(4) : 0}`,
    ...chance.some([`label=${1000 + number}`], 20),
    ...chance.some([`sample_new=${chance.pick(samples)}`], 40),
    ...chance.some([`sample_est=${chance.pick(samples)}`], 40),
    ...chance.some(["log=true"], 40),
    ...chance.some([`name=n${number}`], 40),
    ...chance.some([`severity=${chance.pick(["alert", "debug", "info"])}`], 30),
    ...chance.some([`meter=${chance.pick(["plain", "fair"])}`], 40),
    ...chance.some(["options:apply-after-lb=true"], 25),
    ...chance.some(["options:log-related=true"], 40),
    ...chance.some(["options:persist-established=true"], 30),
  ];
  const holder = chance.percent(30) ? "Port_Group pg" : `Logical_Switch ${chance.pick(["sw1", "sw2"])}`;
  return `--id=@acl${number} create ACL ${columns.join(" ")} -- add ${holder} acls @acl${number}`;
}

it(`evaluates, logs, labels and samples as the reference in ${rounds} random sets of ACLs`, {
  timeout: 30_000 * rounds,
}, async () => {
  for (let seed = 1; seed <= rounds; seed++) {
    const chance = new Chance(seed);
    const edits = [
      setup,
      ...chance.some(["ls-lb-add sw1 lb", "ls-lb-add sw3 lb"], 40),
      ...chance.some(["create Sampling_App type=acl-new id=11", "create Sampling_App type=acl-est id=12"], 60),
      ...chance.some(["set NB_Global . options:default_acl_drop=true", "set NB_Global . options:use_ct_inv_match=false"], 30),
    ];
    for (let number = 1; number <= 12; number++) edits.push(acl(chance, number));
    await pair.edit(edits.join("\n"));
    expect(pair.differences(), `seed ${seed}:\n${edits.join("\n")}`).toEqual([]);
    await pair.clear();
  }
});
