/** Mirrors to logical ports: a copy goes out by a port of its own on the switch of the port that is watched (ovn-nb(5), Mirror). */
import { derive, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { nb, switches, switchPortsByName } from "./nb.ts";
import { switchPorts } from "./switchPort.ts";

export interface MirrorPort {
  readonly name: string;
  /** The logical port that gets the copies. */
  readonly sink: string;
}

/** The name of the port on a switch that carries copies to a sink. */
export function mirrorPortName(ls: string, sink: string): string {
  return `mp-${ls}-${sink}`;
}

/** The mirrors of a switch port that copy to a logical port which is there. */
export const logicalMirrors = derive(
  "logicalMirrors",
  (port: Uuid, read): readonly NbRow<"Mirror">[] => {
    const mirrors = (read(nb.Logical_Switch_Port, port)?.mirror_rules ?? []).flatMap((id) => read(nb.Mirror, id) ?? []);
    return mirrors.filter(({ type, sink }) => type === "lport" && read(switchPortsByName, sink).length > 0);
  },
  { equals: sameContent },
);

/** The ports of a switch that carry copies. */
export const mirrorPorts = derive(
  "mirrorPorts",
  (datapath: Uuid, read): readonly MirrorPort[] => {
    const sinks = new Set<string>();
    for (const { uuid, mirrored } of read(switchPorts, datapath)) {
      if (mirrored) for (const { sink } of read(logicalMirrors, uuid)) sinks.add(sink);
    }
    const ls = read(switches, datapath)?.name ?? "";
    return [...sinks].map((sink) => ({ name: mirrorPortName(ls, sink), sink }));
  },
  { equals: sameContent },
);
