import { memoryReplica, type Uuid } from "@weft/ovsdb";
import { ovnSouthbound } from "@weft/schemas";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { TraceModel } from "./model.ts";
import { ctStateProblem, formsOf, parseCtState, parseLbDestination, parseSelectId } from "./request.ts";
import { type TraceForm, traceText } from "./run.ts";

const replica = memoryReplica(ovnSouthbound);
let model: TraceModel;

/** Two ports on a switch, and a router port behind a patch. */
beforeAll(async () => {
  const db = replica.transaction();
  const ls = db.insert("Datapath_Binding", { tunnel_key: 1, external_ids: [["name", "ls"]], type: "logical-switch" });
  const lr = db.insert("Datapath_Binding", { tunnel_key: 2, external_ids: [["name", "lr"]], type: "logical-router" });
  const port = (logical_port: string, datapath: typeof ls, tunnel_key: number, peer?: string) =>
    db.insert("Port_Binding", {
      logical_port,
      datapath,
      tunnel_key,
      type: peer === undefined ? "" : "patch",
      options: peer === undefined ? [] : [["peer", peer]],
    });
  const members = [port("a", ls, 1), port("b", ls, 2), port("to-lr", ls, 3, "to-ls")];
  port("to-ls", lr, 1, "to-lr");
  db.insert("Multicast_Group", { name: "_MC_flood", datapath: ls, tunnel_key: 32768, ports: members });
  const flow = (
    datapath: typeof ls,
    pipeline: "ingress" | "egress",
    table_id: number,
    priority: number,
    match: string,
    actions: string,
    stage: string,
  ): void => {
    const external_ids = [["stage-name", stage] as const];
    db.insert(
      "Logical_Flow",
      { logical_datapath: datapath, pipeline, table_id, priority, match, actions, external_ids },
      uuidOf(++flows),
    );
  };
  flow(ls, "ingress", 0, 100, "eth.src[40]", "drop;", "ls_in_admit");
  flow(ls, "ingress", 0, 50, "1", "next;", "ls_in_admit");
  flow(ls, "ingress", 1, 90, "eth.dst == 00:00:00:00:00:0b", 'outport = "b"; output;', "ls_in_lookup");
  flow(ls, "ingress", 1, 80, "eth.mcast", 'outport = "_MC_flood"; output;', "ls_in_lookup");
  flow(ls, "ingress", 1, 70, "ip4", 'ip.ttl--; outport = "to-lr"; output;', "ls_in_lookup");
  flow(ls, "ingress", 1, 60, "arp", "ct_next; foo", "ls_in_lookup");
  flow(ls, "egress", 0, 0, "1", "output;", "ls_out_deliver");
  flow(lr, "ingress", 0, 10, 'inport == "to-ls"', "eth.src = 00:00:00:00:00:ff; ct_dnat(10.0.0.9);", "lr_in_nat");
  await db.commit();
  model = new TraceModel(replica, () => {});
});

let flows = 0;
function uuidOf(number: number): Uuid {
  return `0000000${number.toString(16)}-0000-4000-8000-000000000000` as Uuid; // eight digits, four groups
}

function trace(microflow: string, forms: readonly TraceForm[] = ["detailed"], datapath: string | undefined = "ls"): string {
  return traceText(model, {
    microflow,
    forms,
    ...(datapath === undefined ? {} : { datapath }),
    ctStates: [],
    friendlyNames: true,
    choose: () => 0,
  });
}

describe("forms", () => {
  test("a trace in detail leaves out what only goes on", () => {
    expect(trace('inport == "a" && eth.dst == 00:00:00:00:00:0b')).toBe(`\
# reg14=0x1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:0b,dl_type=0x0000

ingress(dp="ls", inport="a")
----------------------------
 1. ls_in_lookup: eth.dst == 00:00:00:00:00:0b, priority 90, uuid 00000003
    outport = "b";
    output;

egress(dp="ls", inport="a", outport="b")
----------------------------------------
 0. ls_out_deliver: 1, priority 0, uuid 00000007
    output;
    /* output to "b", type "" */
`);
  });

  test("through a patch port into the router, in all forms", () => {
    const text = trace('inport == "a" && ip4 && ip.ttl == 9', ["detailed", "summary", "minimal"]);
    expect(text).toContain('ingress(dp="lr", inport="to-ls")\n--------------------------------\n 0. lr_in_nat');
    expect(text).toContain(" 1. no match (implicit drop)\n# Summary trace.\n");
    expect(text.slice(text.indexOf("# Minimal trace.\n"))).toBe(`\
# Minimal trace.
ip.ttl--;
eth.src = 00:00:00:00:00:ff;
ct_dnat(ip4.dst=10.0.0.9) /* default (use --ct to customize) */;
`);
  });

  test("a group is traced port by port, without the one it came from", () => {
    expect(trace('inport == "a" && eth.dst == ff:ff:ff:ff:ff:ff', ["summary"])).toBe(
      `\
# reg14=0x1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,dl_dst=ff:ff:ff:ff:ff:ff,dl_type=0x0000
ingress(dp="ls", inport="a") {
    outport = "_MC_flood";
    output;
    multicast(dp="ls", mcgroup="_MC_flood") {
        egress(dp="ls", inport="a", outport="a") {
            /* omitting output because inport == outport && !flags.loopback */;
        };
        egress(dp="ls", inport="a", outport="b") {
            output;
            /* output to "b", type "" */;
        };
        egress(dp="ls", inport="a", outport="to-lr") {
            output;
            /* output to "to-lr", type "patch" */;
            ingress(dp="lr", inport="to-ls");
        };
    };
};
`,
    );
  });
});

describe("what cannot be traced is said", () => {
  test.each([
    ["ip4", "ls", "microflow does not specify ingress port"],
    ['inport == "a" && foo', "ls", "error parsing flow: Syntax error at `foo' expecting field name.\n"],
    ['inport == "a"', "nowhere", 'unknown datapath "nowhere"\n'],
    ['inport == "zz"', undefined, 'unknown port "zz"\n'],
    ["ip4", undefined, "error parsing flow: flow match expression does not match on inport\n"],
    ['inport == "a" || inport == "b"', undefined, "error parsing flow: flow match expression matches on multiple inports\n"],
  ])("%s on %s", (microflow, datapath, expected) => {
    expect(
      traceText(model, {
        microflow,
        forms: ["detailed"],
        ...(datapath === undefined ? {} : { datapath }),
        ctStates: [],
        friendlyNames: true,
        choose: () => 0,
      }),
    ).toBe(expected);
  });
});

test("options", () => {
  expect(parseCtState("new")).toBe(0x21);
  expect(parseCtState("est,rpl")).toBe(0x2a);
  expect(ctStateProblem(parseCtState("new,est"))).toBe('invalid connection state: "new" and "est" are mutually exclusive');
  expect(() => parseCtState("foo")).toThrow("foo: unknown connection tracking state flag");
  expect(parseLbDestination("10.0.0.1:80")).toEqual({ family: 4, ip: 0x0a000001n, port: 80 });
  expect(parseLbDestination("[fd00::1]:80")).toEqual({ family: 6, ip: (0xfd00n << 112n) | 1n, port: 80 });
  expect(() => parseLbDestination("foo")).toThrow("foo: bad address");
  expect(() => parseSelectId("0")).toThrow("0: bad select-id");
  expect(formsOf(new Set(["minimal", "detailed"]))).toEqual(["detailed", "minimal"]);
});

test("any microflow gives text", () => {
  const word = fc.constantFrom(
    'inport == "a"',
    "&&",
    "||",
    "ip4",
    "tcp.dst == 80",
    "(",
    ")",
    "!",
    "eth.dst[40]",
    "arp",
    "1",
    '"b"',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word, { maxLength: 12 }).map((words) => words.join(" ")),
      ),
      (text) => {
        return trace(text, ["detailed", "summary", "minimal"]).length > 0;
      },
    ),
  );
});
