import { messageOf, WeftError } from "@weft/runtime";
import { etcPath } from "../machine/etc.ts";
import type { Command } from "../machine/machine.ts";

/** cat(1) for the files of an emulated machine; in a namespace, those of /etc are its own where it has them (ip-netns(8)). */
export const cat: Command = async (args, { host, machine, namespace }) => {
  const { files } = machine.runtime;
  let code = 0;
  for (const name of args) {
    const path = name.startsWith("/") ? name : `${host.cwd.replace(/\/$/, "")}/${name}`;
    const own = path.startsWith("/etc/") ? etcPath(namespace, path.slice("/etc/".length)) : path;
    try {
      await host.stdout.write(await files.read((await files.exists(own)) ? own : path));
    } catch (error) {
      if (!(error instanceof WeftError)) throw error;
      code = 1;
      await host.stderr.write(`cat: ${name}: ${messageOf(error).split(": ").at(-1)}\n`);
    }
  }
  return code;
};
