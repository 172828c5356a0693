import { Model, tables, type VsCommand } from "./model.ts";

/** Columns of each kind of row that emer-reset empties, but for the ids that others rely on. */
export const resetCommand: VsCommand = {
  name: "emer-reset",
  usage: "",
  min: 0,
  max: 0,
  tables: [...tables, "SSL", "Manager", "Controller", "Mirror", "NetFlow", "sFlow", "IPFIX"],
  group: "Switch commands",
  help: "reset the configuration to a clean state",
  run(call) {
    const { db } = call;
    const model = new Model(call);
    for (const root of db.rows("Open_vSwitch")) db.update("Open_vSwitch", root._uuid, { manager_options: [], ssl: undefined });
    for (const { row, parent } of model.bridges.values()) {
      if (parent !== undefined) continue;
      const hwaddr = row.other_config.get("hwaddr");
      db.update("Bridge", row._uuid, {
        controller: [],
        fail_mode: undefined,
        mirrors: [],
        netflow: undefined,
        sflow: undefined,
        ipfix: undefined,
        flood_vlans: [],
        other_config: hwaddr === undefined ? [] : [["hwaddr", hwaddr]],
      });
    }
    for (const row of db.rows("Port")) db.update("Port", row._uuid, { other_config: [] });
    for (const row of db.rows("Interface")) {
      db.update("Interface", row._uuid, { ingress_policing_rate: 0, ingress_policing_burst: 0 });
    }
    for (const table of ["Manager", "Controller", "Mirror", "NetFlow", "sFlow", "IPFIX", "SSL"] as const) {
      for (const { _uuid } of [...db.rows(table)]) db.delete(table, _uuid);
    }
  },
};
