/**
 * Files of /etc that a namespace has its own of, as ip-netns(8) says: /etc/netns/NAME/FILE stands in the place of /etc/FILE.
 * A guest's files are always written there, so that one guest's name servers are not another's.
 */
import type { Machine } from "./machine.ts";
import type { Namespace } from "./namespace.ts";

export function etcPath(namespace: Namespace, file: string): string {
  return namespace.name === "" ? `/etc/${file}` : `/etc/netns/${namespace.name}/${file}`;
}

/** The text of /etc/FILE as programs in the namespace see it; "" where there is none. */
export async function readEtc(machine: Machine, namespace: Namespace, file: string): Promise<string> {
  const { files } = machine.runtime;
  for (const path of [etcPath(namespace, file), `/etc/${file}`])
    if (await files.exists(path)) return new TextDecoder().decode(await files.read(path));
  return "";
}

export async function writeEtc(machine: Machine, namespace: Namespace, file: string, text: string): Promise<void> {
  await machine.runtime.files.write(etcPath(namespace, file), new TextEncoder().encode(text));
}
