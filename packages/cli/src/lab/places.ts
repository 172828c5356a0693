import { join } from "node:path/posix";
import { type Host, WeftError } from "@weft/runtime";

/** Where running labs have their sockets: NAME.sock in a folder of the user's own. */
export function labFolder(host: Host): string {
  const { WEFT_LAB_DIR, XDG_RUNTIME_DIR, USER, LOGNAME } = host.env;
  if (WEFT_LAB_DIR) return WEFT_LAB_DIR;
  return XDG_RUNTIME_DIR ? join(XDG_RUNTIME_DIR, "weft") : `/tmp/weft-${USER ?? LOGNAME ?? "root"}`;
}

export function labSocket(host: Host, name: string): string {
  return join(labFolder(host), `${name}.sock`);
}

/** The labs that are up, by name. A socket that nobody answers on is left by a lab that died, and removed. */
export async function runningLabs(host: Host): Promise<string[]> {
  const folder = labFolder(host);
  const { files, net } = host.runtime;
  if (!(await files.exists(folder))) return [];
  const names: string[] = [];
  for (const file of await files.list(folder)) {
    if (!file.endsWith(".sock")) continue;
    try {
      (await net.connect(`unix:${join(folder, file)}`)).destroy();
      names.push(file.slice(0, -".sock".length));
    } catch (error) {
      if (!(error instanceof WeftError)) throw error;
      await files.remove(join(folder, file));
    }
  }
  return names;
}

/** The lab that a command means: the one named, the one of the shell, or the only one that is up. */
export async function chosenLab(host: Host, name: string | undefined): Promise<string> {
  const labs = await runningLabs(host);
  const wanted = name ?? host.env["WEFT_LAB"];
  if (wanted !== undefined) {
    if (labs.includes(wanted)) return wanted;
    throw new WeftError("lab.not-up", `lab ${JSON.stringify(wanted)} is not up (weft lab up ${wanted})`, { blame: "caller" });
  }
  const [only] = labs;
  if (only === undefined) throw new WeftError("lab.not-up", "no lab is up (weft lab up NAME)", { blame: "caller" });
  if (labs.length > 1)
    throw new WeftError("lab.which", `several labs are up (${labs.join(", ")}): say which with --lab NAME`, { blame: "caller" });
  return only;
}
