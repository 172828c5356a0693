/** bfd/show and bfd/set-forwarding (ovs-vswitchd(8)). */
import type { ControlCommand } from "@weft/runtime";
import { type ControlContext, command, refuse } from "./context.ts";

const OVERRIDES: ReadonlyMap<string, boolean | undefined> = new Map([
  ["true", true],
  ["false", false],
  ["normal", undefined],
]);

export function bfdCommands({ bfd }: ControlContext): ControlCommand[] {
  return [
    command("bfd/show", "[interface]", 0, 1, ([name]) => {
      if (name === undefined) return bfd.sessions.map((session) => `---- ${session.name} ----\n${session.describe()}`).join("");
      const session = bfd.sessions.find((other) => other.name === name);
      if (session === undefined) throw refuse("no such bfd object");
      return session.describe();
    }),
    command("bfd/set-forwarding", "[interface] normal|false|true", 1, 2, (args) => {
      const [name, status] = args.length === 2 ? args : [undefined, args[0]];
      const found = name === undefined ? bfd.sessions : bfd.sessions.filter((session) => session.name === name);
      if (!OVERRIDES.has(status ?? "")) throw refuse("unknown fault string");
      if (name !== undefined && found.length === 0) throw refuse("no such BFD object");
      for (const session of found) session.override(OVERRIDES.get(status ?? ""));
      return "OK";
    }),
  ];
}
