import type { Uuid } from "@weft/ovsdb";
import type { VsRow } from "@weft/schemas";
import { fail } from "../error.ts";
import type { VsCall, VsCommand } from "./model.ts";

const GROUP = "Connection tracking commands";
const tables = ["Open_vSwitch", "Datapath", "CT_Zone", "CT_Timeout_Policy"] as const;

function findDatapath(call: VsCall): VsRow<"Datapath"> | undefined {
  for (const root of call.db.rows("Open_vSwitch")) {
    const uuid = root.datapaths.get(call.arg(0));
    if (uuid !== undefined) return call.db.row("Datapath", uuid);
  }
  return undefined;
}

function needDatapath(call: VsCall): VsRow<"Datapath"> {
  return findDatapath(call) ?? fail(`datapath ${call.arg(0)} does not exist`);
}

function zoneOf(text: string): number {
  const digits = text.startsWith("zone=") ? text.slice(5) : text;
  return /^[0-9]+$/.test(digits) && Number(digits) <= 65535
    ? Number(digits)
    : fail(`zone_id (${digits}) should be in the range of 0 to 65535`);
}

function zone(call: VsCall, datapath: VsRow<"Datapath">, id: number): VsRow<"CT_Zone"> | undefined {
  const uuid = datapath.ct_zones.get(id);
  return uuid === undefined ? undefined : call.db.row("CT_Zone", uuid);
}

function addZone(call: VsCall, datapath: VsRow<"Datapath">, id: number): Uuid {
  const handle = call.db.insert("CT_Zone", {});
  call.db.mutate("Datapath", datapath._uuid, "ct_zones", { insert: [[id, handle]] });
  return handle.rowHandle as Uuid; // the transaction knows the row by it
}

/** A zone that says nothing any more goes. */
function dropEmptyZone(call: VsCall, datapath: VsRow<"Datapath">, id: number): void {
  const left = zone(call, datapath, id);
  if (left !== undefined && left.limit === undefined && left.timeout_policy === undefined) {
    call.db.mutate("Datapath", datapath._uuid, "ct_zones", { delete: [id] });
  }
}

export const conntrackCommands: readonly VsCommand[] = [
  {
    name: "add-zone-tp",
    usage: "DATAPATH ZONE POLICY...",
    min: 2,
    max: Number.POSITIVE_INFINITY,
    options: "--may-exist",
    tables,
    group: GROUP,
    help: "set the timeouts of a conntrack zone",
    run(call) {
      const id = zoneOf(call.arg(1));
      const datapath = needDatapath(call);
      const there = zone(call, datapath, id);
      if (there?.timeout_policy !== undefined) {
        if (call.has("may-exist")) return;
        fail(`zone id ${id} already exists`);
      }
      const timeouts = call.args.slice(2).map((text) => {
        const [key = "", value = ""] = text.split(/=(.*)/s);
        return [key, /^[0-9]+$/.test(value) ? Number(value) : fail(`${text}: invalid timeout`)] as const;
      });
      const policy = call.db.insert("CT_Timeout_Policy", { timeouts: timeouts as never }); // the server knows the names
      const uuid = there?._uuid ?? addZone(call, datapath, id);
      call.db.update("CT_Zone", uuid, { timeout_policy: policy });
    },
  },
  {
    name: "del-zone-tp",
    usage: "DATAPATH ZONE",
    min: 2,
    max: 2,
    options: "--if-exists",
    tables,
    group: GROUP,
    help: "forget the timeouts of a conntrack zone",
    run(call) {
      const id = zoneOf(call.arg(1));
      const datapath = needDatapath(call);
      const there = zone(call, datapath, id);
      if (there?.timeout_policy === undefined) {
        if (!call.has("if-exists")) fail(`zone id ${id} does not exist`);
        return;
      }
      call.db.update("CT_Zone", there._uuid, { timeout_policy: undefined });
      dropEmptyZone(call, datapath, id);
    },
  },
  {
    name: "list-zone-tp",
    usage: "DATAPATH",
    min: 1,
    max: 1,
    tables,
    group: GROUP,
    help: "print the timeouts of all conntrack zones",
    run(call) {
      const datapath = findDatapath(call) ?? fail(`datapath: ${call.arg(0)} record not found`);
      for (const id of datapath.ct_zones.keys()) {
        const policy = zone(call, datapath, id)?.timeout_policy;
        const timeouts = policy === undefined ? undefined : call.db.row("CT_Timeout_Policy", policy)?.timeouts;
        const words = [...(timeouts ?? [])].map(([key, seconds]) => `${key}=${seconds}`);
        call.print(`Zone:${id}, Timeout Policies: ${words.length === 0 ? "system default" : words.join(" ")}\n`);
      }
    },
  },
  {
    name: "set-zone-limit",
    usage: "DATAPATH ZONE|default LIMIT",
    min: 3,
    max: 3,
    tables,
    group: GROUP,
    help: "limit the connections of a conntrack zone",
    run(call) {
      const datapath = needDatapath(call);
      const [which, text] = [call.arg(1), call.arg(2)];
      const limit = /^[0-9]+$/.test(text) && Number(text) <= 0xffffffff ? Number(text) : fail(`invalid limit: ${text}`);
      if (which === "default") call.db.update("Datapath", datapath._uuid, { ct_zone_default_limit: limit });
      else {
        const id = zoneOf(which);
        call.db.update("CT_Zone", zone(call, datapath, id)?._uuid ?? addZone(call, datapath, id), { limit });
      }
    },
  },
  {
    name: "del-zone-limit",
    usage: "DATAPATH ZONE|default",
    min: 2,
    max: 2,
    options: "--if-exists",
    tables,
    group: GROUP,
    help: "lift the limit of a conntrack zone",
    run(call) {
      const datapath = needDatapath(call);
      const which = call.arg(1);
      if (which === "default") {
        if (datapath.ct_zone_default_limit === undefined && !call.has("if-exists"))
          fail(`datapath ${call.arg(0)} does not have a limit`);
        call.db.update("Datapath", datapath._uuid, { ct_zone_default_limit: undefined });
        return;
      }
      const id = zoneOf(which);
      const there = zone(call, datapath, id);
      if (there?.limit === undefined) {
        if (!call.has("if-exists")) fail(`zone_id ${id} does not have a limit`);
        return;
      }
      call.db.update("CT_Zone", there._uuid, { limit: undefined });
      dropEmptyZone(call, datapath, id);
    },
  },
  {
    name: "list-zone-limits",
    usage: "DATAPATH",
    min: 1,
    max: 1,
    tables,
    group: GROUP,
    help: "print the limits of all conntrack zones",
    run(call) {
      const datapath = needDatapath(call);
      if (datapath.ct_zone_default_limit !== undefined) call.print(`Default, Limit: ${datapath.ct_zone_default_limit}\n`);
      for (const id of datapath.ct_zones.keys()) {
        const limit = zone(call, datapath, id)?.limit;
        if (limit !== undefined) call.print(`Zone: ${id}, Limit: ${limit}\n`);
      }
    },
  },
  {
    name: "list-dp-cap",
    usage: "DATAPATH",
    min: 1,
    max: 1,
    tables,
    group: "Datapath commands",
    help: "print what a datapath can do",
    run(call) {
      const datapath = findDatapath(call) ?? fail(`datapath "${call.arg(0)}" record not found`);
      for (const [key, value] of datapath.capabilities) call.print(`${key}=${value} `);
      call.print("\n");
    },
  },
];
