import { fail } from "../error.ts";
import { findRouter, type NbCommand, needRouter, printNamed } from "./common.ts";

const GROUP = "Logical router commands";

export const routerCommands: readonly NbCommand[] = [
  {
    name: "lr-add",
    usage: "[ROUTER]",
    min: 0,
    max: 1,
    options: "--may-exist --add-duplicate",
    tables: ["Logical_Router"],
    group: GROUP,
    help: "create a logical router",
    run(call) {
      const name = call.args[0];
      const [may, duplicate] = [call.has("may-exist"), call.has("add-duplicate")];
      if (may && duplicate) fail("--may-exist and --add-duplicate may not be used together");
      if (name === undefined) {
        if (may) fail("--may-exist requires specifying a name");
        if (duplicate) fail("--add-duplicate requires specifying a name");
        call.db.insert("Logical_Router", {});
        return;
      }
      if (!duplicate && [...call.db.rows("Logical_Router")].some((row) => row.name === name)) {
        if (may) return;
        fail(`${name}: a router with this name already exists`);
      }
      call.db.insert("Logical_Router", { name });
    },
  },
  {
    name: "lr-del",
    usage: "ROUTER",
    min: 1,
    max: 1,
    options: "--if-exists",
    tables: ["Logical_Router"],
    group: GROUP,
    help: "delete a logical router and its ports",
    run(call) {
      const found = call.has("if-exists") ? findRouter(call, call.arg(0)) : needRouter(call, call.arg(0));
      if (found !== undefined) call.db.delete("Logical_Router", found._uuid);
    },
  },
  {
    name: "lr-list",
    usage: "",
    min: 0,
    max: 0,
    tables: ["Logical_Router"],
    group: GROUP,
    help: "print all logical routers",
    run: (call) => printNamed(call, call.db.rows("Logical_Router")),
  },
];
