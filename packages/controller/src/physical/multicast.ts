/** Multicast groups: one copy to every other chassis with members (table 44), one to every member here (tables 44 and 46). */
import { derive, each, type Read, sameContent } from "@weft/incremental";
import type { Action } from "@weft/openflow";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { attachmentOf, claimOf } from "../model/binding.ts";
import { localKeyOf, localnetOf } from "../model/datapaths.ts";
import { sb } from "../model/inputs.ts";
import { type Tunnel, tunnelFor } from "../model/tunnels.ts";
import { zonesOf } from "../model/zones.ts";
import { flag, reg, tables as t } from "../tables.ts";
import { type DesiredFlow, flow, resubmit, set } from "./flow.ts";
import { distributedPort, remotePlaces } from "./output.ts";
import { loadZones, type Port } from "./port.ts";
import { sendOver } from "./tunnelOutput.ts";

/** What groups need to know of a port. It changes less often than the port's row, of which there are many in a group. */
interface Member {
  readonly datapath: Uuid;
  readonly at: "patch" | "localport" | "remote" | "here" | "elsewhere";
  /** Of the port that it is delivered to, which of a chassisredirect port is the distributed one. */
  readonly key: number;
  readonly zone: number | undefined;
  /** Where it is, if elsewhere. */
  readonly chassis: readonly Uuid[];
  /** That the chassis of a remote port wants for it. */
  readonly encap: Uuid | undefined;
}

interface Members {
  /** Delivered on whatever chassis the packet came from: patch ports. */
  readonly everywhere: Member[];
  /** As `everywhere`, but not for packets that the controller made: localports. */
  readonly patchAndLocalports: Member[];
  readonly here: Member[];
  readonly chassis: Set<Uuid>;
  /** In other availability zones, which know nothing of the group. */
  readonly remote: Member[];
}

/** None for the ports of mirrors: northd counts them in, and the reference sends them nothing that is for many. */
const memberOf = derive<Uuid, Member | undefined>(
  "multicastMember",
  (uuid, read) => {
    const port = read(sb.Port_Binding, uuid);
    if (port === undefined || port.type === "mirror") return undefined;
    const target = port.type === "chassisredirect" ? (distributedPort(read, port) ?? port) : port;
    const at = whereIs(read, port);
    const elsewhere = at === "elsewhere" ? remotePlaces(read, port).map(({ chassis }) => chassis) : [];
    const remote = at === "remote" && port.chassis !== undefined;
    return {
      datapath: port.datapath,
      at,
      key: target.tunnel_key,
      zone: read(zonesOf, uuid).port,
      chassis: remote ? [port.chassis] : elsewhere,
      encap: remote ? port.encap : undefined,
    };
  },
  { equals: sameContent },
);

function whereIs(read: Read, { _uuid, type }: Port): Member["at"] {
  if (type === "remote" || type === "patch" || type === "localport") return type;
  const l3 = (type === "l3gateway" || type === "chassisredirect") && read(claimOf, _uuid) !== undefined;
  return l3 || read(attachmentOf, _uuid) !== undefined ? "here" : "elsewhere";
}

function membersOf(read: Read, row: SbRow<"Multicast_Group">): Members {
  const members: Members = { everywhere: [], patchAndLocalports: [], here: [], chassis: new Set(), remote: [] };
  // Who sends to the parts of a transit switch sends to its routers here.
  const transit = read(sb.Datapath_Binding, row.datapath)?.external_ids.has("interconn-ts") === true;
  const bridged = read(localnetOf, row.datapath) !== undefined;
  for (const uuid of row.ports) {
    const member = read(memberOf, uuid);
    if (member === undefined || member.datapath !== row.datapath) continue;
    const { at } = member;
    if (at === "remote") {
      if (member.chassis.length > 0) members.remote.push(member);
    } else if (at === "here" || (at === "patch" && transit)) members.here.push(member);
    else if (at === "patch") {
      members.everywhere.push(member);
      members.patchAndLocalports.push(member);
    } else if (at === "localport") members.patchAndLocalports.push(member);
    else if (!bridged) for (const chassis of member.chassis) members.chassis.add(chassis);
  }
  return members;
}

/** A copy for one port of another zone. */
function single(read: Read, { chassis: [chassis], encap, key }: Member, datapath: number): Action[] {
  const tunnel = chassis === undefined ? undefined : tunnelFor(read, chassis, encap, 0);
  return tunnel === undefined ? [] : [set(reg.outport, key), ...sendOver(read, [tunnel], datapath, key)];
}

export const multicastGroups = each<DesiredFlow, Uuid, SbRow<"Multicast_Group">>(
  "multicastGroups",
  sb.Multicast_Group,
  function* (uuid, row, read) {
    const key = read(localKeyOf, row.datapath);
    if (key === undefined) return;
    const group = row.tunnel_key;
    const here = { metadata: key, [reg.outport]: group };
    const { everywhere, patchAndLocalports, here: local, chassis, remote } = membersOf(read, row);
    const copies = (ports: readonly Member[], zones: boolean): Action[] => {
      const actions: Action[] = [];
      for (const { key: outport, zone } of ports) {
        if (zones) actions.push(...loadZones({ port: zone, dnat: undefined, snat: undefined }));
        actions.push(set(reg.outport, outport), resubmit(t.checkLoopback));
      }
      if (ports.length > 0) actions.push(set(reg.outport, group));
      return actions;
    };
    if (local.length > 0)
      yield flow({ table: t.localOutput, priority: 100, match: here, actions: copies(local, true), from: uuid });
    const tunnels: Tunnel[] = [];
    for (const other of chassis) {
      const tunnel = tunnelFor(read, other, undefined, 0);
      if (tunnel !== undefined) tunnels.push(tunnel);
    }
    tunnels.sort((a, b) => a.ofport - b.ofport);
    const far = remote.sort((a, b) => a.key - b.key).flatMap((port) => single(read, port, key));
    if (far.length > 0) far.push(set(reg.outport, group));
    if (patchAndLocalports.length > 0 || tunnels.length > 0 || far.length > 0) {
      yield flow({
        table: t.remoteOutput,
        priority: 100,
        match: { ...here, [reg.flags]: [0, flag.rcvFromRamp] },
        actions: [
          ...copies(patchAndLocalports, false),
          ...far,
          ...sendOver(read, tunnels, key, group),
          resubmit(t.remoteVtepOutput),
        ],
        from: uuid,
      });
    }
    if (everywhere.length > 0) {
      const both = flag.rcvFromRamp | flag.allowLoopback;
      yield flow({
        table: t.remoteOutput,
        priority: 120,
        match: { ...here, [reg.flags]: [both, both] },
        actions: [...copies(everywhere, false), resubmit(t.remoteVtepOutput)],
        from: uuid,
      });
    }
  },
);
