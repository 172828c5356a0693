import { fail } from "../error.ts";
import { tables as bridgeTables, Model, type VsCall, type VsCommand } from "./model.ts";

const GROUP = "Auto Attach commands";
const tables = [...bridgeTables, "AutoAttach"] as const;

function number(text: string): number {
  return /^[0-9]+$/.test(text) ? Number(text) : fail(`Invalid argument ${text}`);
}

function bridgeRow(call: VsCall) {
  const bridge = new Model(call).needBridge(call.arg(0));
  return bridge.row;
}

function mappings(call: VsCall) {
  const row = bridgeRow(call);
  return row.auto_attach === undefined ? undefined : call.db.row("AutoAttach", row.auto_attach);
}

export const autoAttachCommands: readonly VsCommand[] = [
  {
    name: "add-aa-mapping",
    usage: "BRIDGE I-SID VLAN",
    min: 3,
    max: 3,
    tables,
    group: GROUP,
    help: "map an I-SID to a VLAN",
    run(call) {
      const [isid, vlan] = [number(call.arg(1)), number(call.arg(2))];
      const row = bridgeRow(call);
      const there = mappings(call);
      if (there !== undefined) call.db.mutate("AutoAttach", there._uuid, "mappings", { insert: [[isid, vlan]] });
      else call.db.update("Bridge", row._uuid, { auto_attach: call.db.insert("AutoAttach", { mappings: [[isid, vlan]] }) });
    },
  },
  {
    name: "del-aa-mapping",
    usage: "BRIDGE I-SID VLAN",
    min: 3,
    max: 3,
    tables,
    group: GROUP,
    help: "remove the mapping of an I-SID to a VLAN",
    run(call) {
      const [isid, vlan] = [number(call.arg(1)), number(call.arg(2))];
      const there = mappings(call);
      if (there?.mappings.get(isid) === vlan) call.db.mutate("AutoAttach", there._uuid, "mappings", { delete: [isid] });
    },
  },
  {
    name: "get-aa-mapping",
    usage: "BRIDGE",
    min: 1,
    max: 1,
    tables,
    group: GROUP,
    help: "print the mappings of a bridge",
    run(call) {
      for (const [isid, vlan] of mappings(call)?.mappings ?? []) call.print(`${isid} ${vlan}\n`);
    },
  },
];
