/** Multicast groups: one copy to every other chassis with members (table 44), one to every member here (tables 44 and 46). */
import { each, type Read } from "@weft/incremental";
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

interface Members {
  /** Delivered on whatever chassis the packet came from: patch ports. */
  readonly everywhere: Port[];
  /** As `everywhere`, but not for packets that the controller made: localports. */
  readonly patchAndLocalports: Port[];
  readonly here: Port[];
  readonly chassis: Set<Uuid>;
  /** In other availability zones, which know nothing of the group. */
  readonly remote: Port[];
}

function membersOf(read: Read, row: SbRow<"Multicast_Group">): Members {
  const members: Members = { everywhere: [], patchAndLocalports: [], here: [], chassis: new Set(), remote: [] };
  // Who sends to the parts of a transit switch sends to its routers here.
  const transit = read(sb.Datapath_Binding, row.datapath)?.external_ids.has("interconn-ts") === true;
  const bridged = read(localnetOf, row.datapath) !== undefined;
  for (const uuid of row.ports) {
    const port = read(sb.Port_Binding, uuid);
    // northd counts the ports of mirrors in; the reference sends them nothing that is for many.
    if (port === undefined || port.datapath !== row.datapath || port.type === "mirror") continue;
    if (port.type === "remote") {
      if (port.chassis !== undefined) members.remote.push(port);
    } else if (port.type === "patch" && transit) members.here.push(port);
    else if (port.type === "patch") {
      members.everywhere.push(port);
      members.patchAndLocalports.push(port);
    } else if (port.type === "localport") members.patchAndLocalports.push(port);
    else {
      const l3 = (port.type === "l3gateway" || port.type === "chassisredirect") && read(claimOf, uuid) !== undefined;
      if (l3 || read(attachmentOf, uuid) !== undefined) members.here.push(port);
      else if (!bridged) for (const { chassis } of remotePlaces(read, port)) members.chassis.add(chassis);
    }
  }
  return members;
}

/** A copy for one port of another zone. */
function single(read: Read, { chassis, encap, tunnel_key }: Port, datapath: number): Action[] {
  const tunnel = chassis === undefined ? undefined : tunnelFor(read, chassis, encap, 0);
  return tunnel === undefined ? [] : [set(reg.outport, tunnel_key), ...sendOver(read, [tunnel], datapath, tunnel_key)];
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
    const copies = (ports: readonly Port[], zones: boolean): Action[] => {
      const actions: Action[] = [];
      for (const port of ports) {
        const own = zones ? read(zonesOf, port._uuid).port : undefined;
        actions.push(...loadZones({ port: own, dnat: undefined, snat: undefined }));
        const at = port.type === "chassisredirect" ? (distributedPort(read, port) ?? port) : port;
        actions.push(set(reg.outport, at.tunnel_key), resubmit(t.checkLoopback));
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
    const far = remote.sort((a, b) => a.tunnel_key - b.tunnel_key).flatMap((port) => single(read, port, key));
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
