import { fail } from "../error.ts";
import { findChassis, needChassis, type SbCall, type SbCommand } from "./common.ts";

const tables = ["Chassis", "Encap", "Port_Binding"] as const;

function needPort(call: SbCall) {
  const name = call.arg(0);
  const found = [...call.db.rows("Port_Binding")].find((row) => row.logical_port === name);
  return call.has("if-exists") ? found : (found ?? fail(`no port named ${name}`));
}

export const chassisCommands: readonly SbCommand[] = [
  {
    name: "chassis-add",
    usage: "CHASSIS ENCAP-TYPE ENCAP-IP",
    min: 3,
    max: 3,
    options: "--may-exist",
    tables,
    group: "Chassis commands",
    help: "create a chassis with a tunnel end of each type",
    run(call) {
      const [name, types, ip] = [call.arg(0), call.arg(1), call.arg(2)];
      if (findChassis(call, name) !== undefined) {
        if (call.has("may-exist")) return;
        fail(`cannot create a chassis named ${name} because a chassis named ${name} already exists`);
      }
      const options = [["csum", "true"]] as const;
      const encaps = [...new Set(types.split(","))].map((type) =>
        call.db.insert("Encap", { type: type as "geneve", ip, options, chassis_name: name }),
      );
      call.db.insert("Chassis", { name, encaps });
    },
  },
  {
    name: "chassis-del",
    usage: "CHASSIS",
    min: 1,
    max: 1,
    options: "--if-exists",
    tables: [...tables, "Chassis_Private"],
    group: "Chassis commands",
    help: "delete a chassis and its tunnel ends",
    run(call) {
      const chassis = call.has("if-exists") ? findChassis(call, call.arg(0)) : needChassis(call, call.arg(0));
      if (chassis === undefined) return;
      for (const uuid of chassis.encaps) call.db.delete("Encap", uuid);
      for (const row of [...call.db.rows("Chassis_Private")]) {
        if (row.name === chassis.name) call.db.delete("Chassis_Private", row._uuid);
      }
      call.db.delete("Chassis", chassis._uuid);
    },
  },
  {
    name: "lsp-bind",
    usage: "PORT CHASSIS",
    min: 2,
    max: 2,
    options: "--may-exist",
    tables,
    group: "Port binding commands",
    help: "bind a logical port to a chassis",
    run(call) {
      const name = call.arg(0);
      const port = [...call.db.rows("Port_Binding")].find((row) => row.logical_port === name) ?? fail(`no port named ${name}`);
      const chassis = needChassis(call, call.arg(1));
      if (port.chassis !== undefined) {
        if (call.has("may-exist") && port.chassis === chassis._uuid) return;
        const bound = call.db.row("Chassis", port.chassis);
        fail(`lport (${name}) has already been binded to chassis (${bound?.name ?? ""})`);
      }
      call.db.update("Port_Binding", port._uuid, { chassis: chassis._uuid, up: true });
    },
  },
  {
    name: "lsp-unbind",
    usage: "PORT",
    min: 1,
    max: 1,
    options: "--if-exists",
    tables,
    group: "Port binding commands",
    help: "reset the binding of a logical port",
    run(call) {
      const port = needPort(call);
      if (port !== undefined) call.db.update("Port_Binding", port._uuid, { chassis: undefined, up: undefined });
    },
  },
  {
    name: "ip-multicast-flush",
    usage: "[SWITCH]",
    min: 0,
    max: 1,
    tables: ["IP_Multicast", "Datapath_Binding"],
    group: "IP multicast commands",
    help: "forget the learned multicast groups of one switch or all",
    run(call) {
      const text = call.args[0];
      let wanted: string | undefined;
      if (text !== undefined) {
        const datapaths = [...call.db.rows("Datapath_Binding")];
        const found = datapaths.find((row) => row._uuid === text.toLowerCase() || row.external_ids.get("name") === text);
        wanted = (found ?? fail(`${text} is not a valid datapath`))._uuid;
      }
      for (const row of [...call.db.rows("IP_Multicast")]) {
        if (wanted === undefined || row.datapath === wanted)
          call.db.update("IP_Multicast", row._uuid, { seq_no: row.seq_no + 1 });
      }
    },
  },
];
