import { warnOfTargets } from "../connection.ts";
import type { SbCommand } from "./common.ts";

const GROUP = "Connection commands";
const tables = ["SB_Global", "Connection"] as const;

/** The connections of the southbound database may be for reading only, and have a role. */
export const sbConnectionCommands: readonly SbCommand[] = [
  {
    name: "get-connection",
    usage: "",
    min: 0,
    max: 0,
    tables,
    group: GROUP,
    help: "print the connections",
    run(call) {
      const lines = [...call.db.rows("Connection")].map(
        ({ read_only, role, target }) => `${read_only ? "read-only" : "read-write"} role="${role}" ${target}`,
      );
      for (const line of lines.sort()) call.print(`${line}\n`);
    },
  },
  {
    name: "del-connection",
    usage: "",
    min: 0,
    max: 0,
    tables,
    group: GROUP,
    help: "delete the connections",
    run(call) {
      for (const row of [...call.db.rows("Connection")]) call.db.delete("Connection", row._uuid);
      for (const root of call.db.rows("SB_Global")) call.db.update("SB_Global", root._uuid, { connections: [] });
    },
  },
  {
    name: "set-connection",
    usage: "[read-only|read-write] [role=ROLE] TARGET...",
    min: 1,
    max: Number.POSITIVE_INFINITY,
    options: "--inactivity-probe=",
    tables,
    group: GROUP,
    help: "set the connections",
    run(call) {
      let readOnly = false;
      let role = "";
      const probe = call.option("inactivity-probe");
      const wanted = new Map<string, { readonly read_only: boolean; readonly role: string }>();
      for (const word of call.args) {
        if (word === "read-only") readOnly = true;
        else if (word === "read-write") readOnly = false;
        else if (word.startsWith("role=")) role = word.slice(5);
        else wanted.set(word, { read_only: readOnly, role });
      }
      warnOfTargets(call, "sbctl", [...wanted.keys()]);
      for (const row of [...call.db.rows("Connection")]) call.db.delete("Connection", row._uuid);
      const handles = [...wanted].map(([target, columns]) =>
        call.db.insert("Connection", { target, ...columns, ...(probe === undefined ? {} : { inactivity_probe: Number(probe) }) }),
      );
      for (const root of call.db.rows("SB_Global")) call.db.update("SB_Global", root._uuid, { connections: handles });
    },
  },
];
