/**
 * From a logical output port to where it is: tables 44 (remote chassis), 46 (here), 47 (the loopback check), 64 and 65
 * (delivery), 80 (the zones of a packet that came in by a tunnel). ovn-architecture(7).
 */
import { derive, each, type Read } from "@weft/incremental";
import type { Action } from "@weft/openflow";
import type { Uuid } from "@weft/ovsdb";
import { parsePortAddresses } from "../model/addresses.ts";
import { type Attachment, attachmentOf, claimOf, nestedDatapaths } from "../model/binding.ts";
import { config, ownChassis } from "../model/config.ts";
import { connects, localnetOf, peerOf, routersAt } from "../model/datapaths.ts";
import { globalOptions } from "../model/globalOptions.ts";
import { haChassisOf } from "../model/ha.ts";
import { portsByName, portsOfDatapath, sb } from "../model/inputs.ts";
import { type Tunnel, tunnelFor } from "../model/tunnels.ts";
import { datapathZones, zonesOf } from "../model/zones.ts";
import { flag, reg, tables as t } from "../tables.ts";
import {
  all,
  clearRegisters,
  clone,
  ctClear,
  type DesiredFlow,
  flow,
  forgetInPort,
  type MatchSpec,
  output,
  popVlan,
  pushed,
  resubmit,
  set,
  tagged,
} from "./flow.ts";
import { datapathKey, isContainer, loadZones, type Port, zonesFor } from "./port.ts";
import { loadTunnelKey, sendOver } from "./tunnelOutput.ts";

/** Takes the input port away while `actions` run, so that the packet may leave by it. */
const looped: readonly Action[] = [
  { type: "push", src: all("in_port") },
  forgetInPort,
  resubmit(t.logToPhys),
  { type: "pop", dst: all("in_port") },
];

/** The other chassis that a port is on, the main one first, with the encapsulation each wants for it. */
export function remotePlaces(read: Read, row: Port): { chassis: Uuid; encap: Uuid | undefined }[] {
  const own = read(ownChassis, 0);
  const places: { chassis: Uuid; encap: Uuid | undefined }[] = [];
  if (row.chassis !== undefined && row.chassis !== own && read(claimOf, row._uuid) !== "main")
    places.push({ chassis: row.chassis, encap: row.encap });
  for (const chassis of row.additional_chassis) {
    if (chassis === own) continue;
    const name = read(sb.Chassis, chassis)?.name;
    const encap = row.additional_encap.find((uuid) => read(sb.Encap, uuid)?.chassis_name === name);
    places.push({ chassis, encap });
  }
  return places;
}

/** How a port is reached on this chassis, if it is here. */
type Local =
  | { readonly kind: "attached"; readonly at: Attachment }
  | { readonly kind: "patch"; readonly peer: Port }
  | { readonly kind: "redirect"; readonly to: Port };

function localOf(read: Read, uuid: Uuid, row: Port): Local | undefined {
  const at = read(attachmentOf, uuid);
  if (at !== undefined) return { kind: "attached", at };
  if (connects(read, row)) {
    const peer = read(peerOf, uuid);
    const other = peer === undefined ? undefined : read(sb.Port_Binding, peer);
    return other === undefined || !connects(read, other) ? undefined : { kind: "patch", peer: other };
  }
  if (row.type === "chassisredirect" && read(claimOf, uuid) !== undefined) {
    const to = distributedPort(read, row);
    return to === undefined ? undefined : { kind: "redirect", to };
  }
  return undefined;
}

export const portOutput = each<DesiredFlow, Uuid, Port>("portOutput", sb.Port_Binding, function* (uuid, row, read) {
  const key = datapathKey(read, row);
  if (key === undefined) return;
  const here = { metadata: key, [reg.outport]: row.tunnel_key };
  const local = localOf(read, uuid, row);
  if (row.type === "" && !isContainer(row)) {
    yield flow({
      table: t.ctZoneLookup,
      priority: 100,
      match: { metadata: key, [reg.inport]: row.tunnel_key },
      actions: [...zonesFor(read, uuid), resubmit(t.logIngress)],
      from: uuid,
    });
  }
  if (row.type === "localport" && local !== undefined) {
    yield flow({
      table: t.remoteOutput,
      priority: 150,
      match: { metadata: key, [reg.inport]: row.tunnel_key },
      actions: [resubmit(t.localOutput)],
      from: uuid,
    });
  }
  yield* remote(read, row, key, local !== undefined);
  if (local === undefined) return;
  if (local.kind === "redirect") {
    yield flow({
      table: t.localOutput,
      priority: 100,
      match: here,
      actions: [
        set(reg.outport, local.to.tunnel_key),
        ...loadZones({ port: undefined, ...datapathZones(read, row.datapath) }),
        forgetInPort,
        resubmit(t.checkLoopback),
      ],
      from: uuid,
    });
    return;
  }
  yield flow({
    table: t.localOutput,
    priority: 100,
    match: here,
    actions: [...zonesFor(read, uuid), resubmit(t.checkLoopback)],
    from: uuid,
  });
  yield flow({
    table: t.checkLoopback,
    priority: 100,
    match: { ...here, [reg.inport]: row.tunnel_key, [reg.flags]: [0, flag.allowLoopback] },
    actions: [],
    from: uuid,
  });
  const inner = local.kind === "attached" && (local.at.kind === "container" || local.at.kind === "mirror");
  yield flow({
    table: t.saveInport,
    priority: 100,
    match: inner ? here : { ...here, [reg.flags]: [flag.allowLoopback, flag.allowLoopback] },
    actions: looped,
    from: uuid,
  });
  // As the reference has it: the key of the parent's port, in the datapath of its containers.
  for (const datapath of read(nestedDatapaths, uuid)) {
    const nested = read(sb.Datapath_Binding, datapath)?.tunnel_key;
    if (nested === undefined) continue;
    yield flow({
      table: t.saveInport,
      priority: 100,
      match: { ...here, metadata: nested, [reg.flags]: [flag.nestedContainer, flag.nestedContainer] },
      actions: looped,
      from: uuid,
    });
  }
  if (local.kind === "patch") {
    yield flow({ table: t.logToPhys, priority: 100, match: here, actions: crossPatch(read, local.peer), from: uuid });
    return;
  }
  const { at } = local;
  yield flow({
    table: t.logToPhys,
    priority: 100,
    match: here,
    actions: tagged(at.tag, [output(at.ofport)], row.options.get("ethtype")),
    from: uuid,
  });
  if (row.type === "localnet") yield* localnet(read, row, key, at);
});

/** Goes on in the peer's datapath, with nothing left of this one's. */
function crossPatch(read: Read, peer: Port): Action[] {
  const inner: Action[] = [ctClear, set(reg.dnatZone, 0), set(reg.snatZone, 0), set(reg.zoneAndEncap, 0, 0xffff)];
  inner.push(...loadZones(read(zonesOf, peer._uuid)));
  inner.push(set("metadata", read(sb.Datapath_Binding, peer.datapath)?.tunnel_key ?? 0), set(reg.inport, peer.tunnel_key));
  inner.push(set(reg.flags, 0), set(reg.outport, 0), ...clearRegisters, resubmit(t.logIngress));
  return [clone(inner)];
}

/** What never goes out to a physical network, and what goes there from a router with this chassis' own MAC. */
function* localnet(read: Read, row: Port, key: number, at: Attachment): Iterable<DesiredFlow> {
  const here = { metadata: key, [reg.outport]: row.tunnel_key };
  const kept: readonly [number, number][] = [
    [flag.localOnly, flag.localOnly | flag.overrideLocalOnly],
    [flag.localport, flag.localport],
  ];
  for (const flags of kept) {
    yield flow({
      table: t.checkLoopback,
      priority: 160,
      match: { ...here, [reg.flags]: flags },
      actions: [],
      from: row._uuid,
    });
  }
  // A localport may answer an external port: what stands for it on this network is reached through this chassis.
  for (const port of read(portsOfDatapath, `${row.datapath} external`)) {
    if (read(claimOf, port) === undefined) continue;
    for (const text of read(sb.Port_Binding, port)?.mac ?? []) {
      const mac = parsePortAddresses(text)?.mac;
      if (mac === undefined) continue;
      yield flow({
        table: t.checkLoopback,
        priority: 170,
        match: { ...here, [reg.flags]: [flag.localport, flag.localport], eth_dst: mac },
        actions: [...clearRegisters, resubmit(t.logEgress)],
        from: row._uuid,
      });
    }
  }
  const network = row.options.get("network_name");
  const text = network === undefined ? undefined : read(config, 0)?.chassisMacs.get(network);
  const own = text === undefined ? undefined : parsePortAddresses(text)?.mac;
  if (own === undefined) return;
  for (const router of routersAt(read, row.datapath)) {
    const mac = parsePortAddresses(router.mac[0] ?? "")?.mac;
    if (mac === undefined || carriesRedirect(read, router)) continue;
    yield flow({
      table: t.logToPhys,
      priority: 150,
      match: { ...here, eth_src: mac },
      actions: [
        set("eth_src", own),
        ...(at.tag === 0 ? [] : pushed(at.tag, row.options.get("ethtype"))),
        output(at.ofport),
        set("eth_src", mac),
        ...(at.tag === 0 ? [] : [popVlan]),
      ],
      from: row._uuid,
    });
  }
}

/** Whether this chassis carries a distributed gateway port; then the router's own MAC is where it belongs. */
function carriesRedirect(read: Read, router: Port): boolean {
  const name = router.options.get("chassis-redirect-port");
  const port = name === undefined ? undefined : read(portsByName, name)[0];
  return port !== undefined && read(claimOf, port) !== undefined;
}

/** The port whose packets a chassisredirect port carries. */
export function distributedPort(read: Read, row: Port): Port | undefined {
  const name = row.options.get("distributed-port");
  const port = name === undefined ? undefined : read(portsByName, name)[0];
  return port === undefined ? undefined : read(sb.Port_Binding, port);
}

/** To the gateway by the physical network of the switch behind it: redirect-type=bridged of Logical_Router_Port, ovn-nb(5). */
function* bridged(read: Read, row: Port, here: MatchSpec): Iterable<DesiredFlow> {
  const port = distributedPort(read, row);
  const mac = parsePortAddresses(port?.mac[0] ?? "")?.mac;
  const peer = port === undefined ? undefined : read(peerOf, port._uuid);
  const outside = peer === undefined ? undefined : read(sb.Port_Binding, peer)?.datapath;
  const net = outside === undefined ? undefined : read(localnetOf, outside);
  const exit = net === undefined ? undefined : read(sb.Port_Binding, net);
  const key = exit === undefined ? undefined : datapathKey(read, exit);
  if (mac === undefined || exit === undefined || key === undefined) return;
  yield flow({
    table: t.localOutput,
    priority: 100,
    match: here,
    actions: [set("eth_src", mac), set("metadata", key), set(reg.outport, exit.tunnel_key), resubmit(t.logToPhys)],
    from: row._uuid,
  });
}

/** Ports of other chassis are reached by tunnels also where there is a physical network (ovn-nb(5), NB_Global:options). */
const alwaysTunnel = derive<0, boolean>("alwaysTunnel", (_key, read) => read(globalOptions, 0).get("always_tunnel") === "true");

const remotable = new Set(["", "virtual", "l2gateway", "l3gateway", "chassisredirect", "external", "mirror", "remote"]);

function* remote(read: Read, row: Port, key: number, isHere: boolean): Iterable<DesiredFlow> {
  const here = { metadata: key, [reg.outport]: row.tunnel_key };
  const net = read(localnetOf, row.datapath);
  const exit = net === undefined ? undefined : read(sb.Port_Binding, net);
  if (exit !== undefined && !read(alwaysTunnel, 0) && row.type !== "patch" && row.type !== "localnet") {
    // Also to a port that is nowhere.
    if (isHere) return;
    yield flow({
      table: t.localOutput,
      priority: 100,
      match: here,
      actions: [set(reg.outport, exit.tunnel_key), resubmit(t.localOutput)],
      from: row._uuid,
    });
    return;
  }
  if (!remotable.has(row.type)) return;
  if (row.type === "chassisredirect" && !isHere) {
    if (row.options.get("redirect-type") === "bridged") {
      yield* bridged(read, row, here);
      return;
    }
    const group = read(haChassisOf, row._uuid);
    if (group.length > 1) {
      const tunnels = group.map((chassis) => tunnelFor(read, chassis, undefined, 0)).filter((tunnel) => tunnel !== undefined);
      const [first] = tunnels;
      // Flow-based tunnels are not watched by BFD, which would say which of them is alive.
      if (first === undefined || first.flowBased) return;
      yield flow({
        table: t.remoteOutput,
        priority: 100,
        match: here,
        actions: [
          ...loadTunnelKey(read, first.type, key, row.tunnel_key),
          {
            type: "bundle",
            fields: "eth_src",
            basis: 0,
            algorithm: "active_backup",
            ports: tunnels.map((tunnel) => tunnel.ofport),
            dst: undefined,
          },
        ],
        from: row._uuid,
      });
      return;
    }
  }
  const places = remotePlaces(read, row);
  if (places.length === 0) return;
  for (const index of read(config, 0)?.encap.ips.keys() ?? []) {
    const tunnels: Tunnel[] = [];
    for (const { chassis, encap } of places) {
      const tunnel = tunnelFor(read, chassis, encap, index);
      if (tunnel !== undefined) tunnels.push(tunnel);
    }
    if (tunnels.length === 0) continue;
    yield flow({
      table: t.remoteOutput,
      priority: 100,
      match: { ...here, [reg.zoneAndEncap]: [index * 0x10000, 0xffff0000] },
      actions: [
        ...sendOver(read, tunnels, key, row.tunnel_key),
        resubmit(tunnels[0]!.flowBased ? t.localOutput : t.remoteVtepOutput),
      ],
      from: row._uuid,
    });
  }
}
