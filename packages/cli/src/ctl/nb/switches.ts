import { fail } from "../error.ts";
import { findSwitch, type NbCommand, needSwitch, printNamed } from "./common.ts";

const GROUP = "Logical switch commands";

export const switchCommands: readonly NbCommand[] = [
  {
    name: "ls-add",
    usage: "[SWITCH]",
    min: 0,
    max: 1,
    options: "--may-exist --add-duplicate",
    tables: ["Logical_Switch"],
    group: GROUP,
    help: "create a logical switch",
    run(call) {
      const name = call.args[0];
      const [may, duplicate] = [call.has("may-exist"), call.has("add-duplicate")];
      if (may && duplicate) fail("--may-exist and --add-duplicate may not be used together");
      if (name === undefined) {
        if (may) fail("--may-exist requires specifying a name");
        if (duplicate) fail("--add-duplicate requires specifying a name");
        call.db.insert("Logical_Switch", {});
        return;
      }
      if (!duplicate && [...call.db.rows("Logical_Switch")].some((row) => row.name === name)) {
        if (may) return;
        fail(`${name}: a switch with this name already exists`);
      }
      call.db.insert("Logical_Switch", { name });
    },
  },
  {
    name: "ls-del",
    usage: "SWITCH",
    min: 1,
    max: 1,
    options: "--if-exists",
    tables: ["Logical_Switch"],
    group: GROUP,
    help: "delete a logical switch and its ports",
    run(call) {
      const found = call.has("if-exists") ? findSwitch(call, call.arg(0)) : needSwitch(call, call.arg(0));
      if (found !== undefined) call.db.delete("Logical_Switch", found._uuid);
    },
  },
  {
    name: "ls-list",
    usage: "",
    min: 0,
    max: 0,
    tables: ["Logical_Switch"],
    group: GROUP,
    help: "print all logical switches",
    run: (call) => printNamed(call, call.db.rows("Logical_Switch")),
  },
];
