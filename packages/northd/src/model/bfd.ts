/** BFD sessions of router ports, and whether their peers are alive (ovn-nb(5), table BFD). */
import { derive, index, input, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { nb } from "./nb.ts";

/** What chassis tell of a session. */
export interface BfdFacts {
  readonly logical_port: string;
  readonly dst_ip: string;
  readonly status: SbRow<"BFD">["status"];
}

/** Rows of the southbound table. */
export const sbBfd = input<Uuid, BfdFacts>("sb.BFD", {
  equals: (a, b) => a.logical_port === b.logical_port && a.dst_ip === b.dst_ip && a.status === b.status,
});

export function bfdKey({ logical_port, dst_ip }: { readonly logical_port: string; readonly dst_ip: string }): string {
  return `${logical_port} ${dst_ip}`;
}

const sbBfdByKey = index("sbBfdByKey", sbBfd, (row) => [bfdKey(row)]);

/** The state of a session, by {@link bfdKey}, as the chassis told; undefined before there is a row. */
export const bfdStatus = derive("bfdStatus", (key: string, read): BfdFacts["status"] | undefined => {
  const uuid = read(sbBfdByKey, key)[0];
  return uuid === undefined ? undefined : read(sbBfd, uuid)?.status;
});

const sessionsByPort = index("bfdSessionsByPort", nb.BFD, ({ logical_port }) => [logical_port]);

/** Whether a port, by its name, speaks BFD. */
export const speaksBfd = derive("speaksBfd", (port: string, read): boolean => read(sessionsByPort, port).length > 0);

const routesOfSession = index("routesOfBfdSession", nb.Logical_Router_Static_Route, ({ bfd }) =>
  bfd === undefined ? [] : [bfd],
);
const policiesOfSession = index("policiesOfBfdSession", nb.Logical_Router_Policy, ({ bfd_sessions }) => bfd_sessions);

/** Whether a route or policy waits for a session, by its uuid. */
export const bfdUsed = derive(
  "bfdUsed",
  (session: Uuid, read): boolean => read(routesOfSession, session).length + read(policiesOfSession, session).length > 0,
);

/** Peers, by {@link bfdKey}, that are not alive, of the sessions given by their uuids. */
export const deadPeer = derive(
  "deadPeer",
  (session: Uuid, read): string | undefined => {
    const row = read(nb.BFD, session);
    if (row === undefined) return undefined;
    return read(bfdStatus, bfdKey(row)) === "up" ? undefined : bfdKey(row);
  },
  { equals: sameContent },
);
