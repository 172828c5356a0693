/** Port groups: which ports they have on which switch, and which addresses. What else is in their rows is no news here. */
import { derive, type Read, relation, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { parsePortAddress } from "./addresses.ts";
import { nb } from "./nb.ts";
import { addressTexts, switchOf, switchPort } from "./switchPort.ts";

const portsOf = derive("portsOfPortGroup", (uuid: Uuid, read): readonly Uuid[] => read(nb.Port_Group, uuid)?.ports ?? [], {
  equals: sameContent,
});

/** The names of a group's ports, by switch. */
const namesBySwitch = derive(
  "portGroupNames",
  (uuid: Uuid, read): ReadonlyMap<Uuid, readonly string[]> => {
    const names = new Map<Uuid, string[]>();
    for (const port of read(portsOf, uuid)) {
      const datapath = switchOf(port, read);
      const name = datapath === undefined ? undefined : read(nb.Logical_Switch_Port, port)?.name;
      if (datapath === undefined || name === undefined) continue;
      const known = names.get(datapath);
      if (known === undefined) names.set(datapath, [name]);
      else known.push(name);
    }
    for (const list of names.values()) list.sort();
    return names;
  },
  { equals: sameContent },
);

/** The switches that have ports of a group. */
export const switchesOfPortGroup = derive(
  "switchesOfPortGroup",
  (uuid: Uuid, read): readonly Uuid[] => [...read(namesBySwitch, uuid).keys()],
  { equals: sameContent },
);

/** The port groups that have a port of the switch. */
export const portGroupsOfSwitch = relation("portGroupsOfSwitch", nb.Port_Group, (uuid, _row, read) =>
  read(switchesOfPortGroup, uuid),
);

/** Name of a group and of its ports on one switch; the key is made by {@link partKey}. */
export const portGroupPart = derive(
  "portGroupPart",
  (key: string, read): { readonly name: string; readonly ports: readonly string[] } | undefined => {
    const [group, datapath] = key.split(" ") as [Uuid, Uuid];
    const name = read(nb.Port_Group, group)?.name;
    const ports = read(namesBySwitch, group).get(datapath);
    return name === undefined || ports === undefined ? undefined : { name, ports };
  },
  { equals: sameContent },
);

export function partKey(group: Uuid, datapath: Uuid): string {
  return `${group} ${datapath}`;
}

/** The addresses of a group's ports. */
export const portGroupAddresses = derive(
  "portGroupAddresses",
  (uuid: Uuid, read): { readonly ip4: readonly string[]; readonly ip6: readonly string[] } => {
    const ip4: string[] = [];
    const ip6: string[] = [];
    for (const port of read(portsOf, uuid)) {
      if (read(switchPort, port) === undefined) continue;
      for (const address of configured(port, read)) {
        ip4.push(...address.ip4.map(({ text }) => text));
        ip6.push(...address.ip6.map(({ text }) => text));
      }
    }
    return { ip4, ip6 };
  },
  { equals: sameContent },
);

function configured(port: Uuid, read: Read) {
  const lsp = read(nb.Logical_Switch_Port, port);
  if (lsp === undefined) return [];
  return addressTexts(lsp, read).flatMap((text) => parsePortAddress(text) ?? []);
}
