import { type Header, parseIpv4, parseIpv6, parseMac } from "@weft/packet";
import { expect, test } from "vitest";
import { controllerPair } from "./reference/controllerPair.ts";
const pair = controllerPair(
  `
  ovn-nbctl lr-add r -- set logical_router r options:chassis=w1
  ovn-nbctl ls-add ext -- lsp-add ext e1 -- lsp-set-addresses e1 unknown -- lrp-add r rext 50:54:00:00:01:fe fd16::fe/64 -- lsp-add-router-port ext ext-r rext -- set logical_router_port rext options:prefix_delegation=true
  ovn-nbctl ls-add in -- lsp-add in p1 -- lsp-set-addresses p1 "50:54:00:00:00:01" -- lrp-add r rin 50:54:00:00:00:fe fd00::fe/64 -- lsp-add-router-port in in-r rin -- set logical_router_port rin options:prefix=true
  ovn-nbctl ls-add in2 -- lsp-add in2 p2 -- lsp-set-addresses p2 "50:54:00:00:00:02" -- lrp-add r rin2 50:54:00:00:00:fd fd02::fe/64 -- lsp-add-router-port in2 in2-r rin2 -- set logical_router_port rin2 options:prefix=true`,
  ["e1", "p1", "p2"],
);
test("x", async () => {
  console.log(pair.reference.cloud.run("for p in ext-r in-r rin rext; do ovn-sbctl --bare --columns=options,type list port_binding $p; done; ovn-sbctl dump-flows r | grep dhcpv6; ovn-nbctl --columns=options,ipv6_prefix list logical_router_port"));

  const log = (a: string) => pair.reference.cloud.run(`grep -v OFFER $DIR/w1/controller.log | tail -3; for p in rin rin2 rext; do ovn-sbctl --bare --columns=options list port_binding $p; done; ovn-nbctl --bare --columns=name,ipv6_prefix list logical_router_port`);
  const u16 = (h: string, at: number) => parseInt(h.slice(at * 2, at * 2 + 4), 16);
  const reply = (type: number, body: string, xid = "000000", dst = "fd16::fe"): Header[] => [
    { kind: "ethernet", dst: parseMac("50:54:00:00:01:fe")!, src: parseMac("50:54:00:00:01:01")! },
    { kind: "ipv6", src: parseIpv6("fe80::99")!, dst: parseIpv6(dst)!, hopLimit: 64 },
    { kind: "udp", srcPort: 547, dstPort: 546 },
    { kind: "payload", bytes: Uint8Array.from(Buffer.from(type.toString(16).padStart(2, "0") + xid + body, "hex")) },
  ];
  const SID = "0002000a00030001505400000199";
  const prefix = (p: string, len: number, pref = "0000000a", valid = "00000014") => "001a0019" + pref + valid + len.toString(16).padStart(2, "0") + p;
  const iapd = (aid: string, t1: string, t2: string, inner: string) => { const body = aid + t1 + t2 + inner; return "0019" + (body.length / 2).toString(16).padStart(4, "0") + body; };
  const wait = (ms: number) => new Promise(r => setTimeout(r, ms));
  const seen = () => pair.taken(pair.reference).filter(l => l.startsWith("e1")).map(l => l.slice(3 + 2 * (14 + 40 + 8)));
  await wait(3000);
  let last = new Map<string, string>();
  for (const s of seen()) { const cid = s.slice(8, 36); last.set(cid, s.slice(44, 52)); console.log(s); }
  const [c1, c2] = [...last.keys()];
  console.log([...last]);
  const PFX = "20010db8000100000000000000000000";
  await pair.answers("e1", reply(2, c1 + SID + iapd(last.get(c1!)!, "00000005", "00000008", prefix(PFX, 56))));
  await wait(200); console.log("after advertise", seen(), log(""));
  await wait(3000); console.log("after advertise+3", seen(), log(""));
  await pair.answers("e1", reply(7, c1 + SID + iapd(last.get(c1!)!, "00000005", "00000008", prefix(PFX, 56))));
  for (let i = 0; i < 12; i++) { await wait(1500); console.log("after reply", i * 1500, seen(), log("")); }
  await wait(10000); console.log("later", seen(), log(""));
});
