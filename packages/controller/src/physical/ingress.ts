/** Table 0: packets that come in by a port of the integration bridge get the metadata of their logical port. */
import { each, type Read } from "@weft/incremental";
import type { Action } from "@weft/openflow";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { parsePortAddresses } from "../model/addresses.ts";
import { type Attachment, attachmentOf } from "../model/binding.ts";
import { config, ownChassis, pairs } from "../model/config.ts";
import { routersAt } from "../model/datapaths.ts";
import { sb } from "../model/inputs.ts";
import { encapIndex } from "../model/interfaces.ts";
import { flag, reg, tables as t } from "../tables.ts";
import { conjunction, type DesiredFlow, flow, type MatchSpec, popVlan, resubmit, set } from "./flow.ts";
import { datapathKey, type Port, zonesFor } from "./port.ts";

/** The conjunction of "from another chassis' MAC" and "at a localnet port". */
const CHASSIS_MAC_CONJUNCTION = 100;

/** What packets get that come in by a port. */
export function ingressMetadata(read: Read, row: Port, key: number, at: Attachment): Action[] {
  return [
    ...zonesFor(read, row._uuid),
    set("metadata", key),
    set(reg.inport, row.tunnel_key),
    set(reg.zoneAndEncap, encapIndex(read, at.encapIp) * 0x10000, 0xffff0000),
  ];
}

/** How packets of the port look at its OpenFlow port, with the actions that make them look like others. */
function* entries(at: Attachment, anyVlan: boolean): Iterable<{ match: MatchSpec; strip: readonly Action[] }> {
  const in_port = at.ofport;
  if (at.tag !== 0) yield { match: { in_port, dl_vlan: at.tag }, strip: [popVlan] };
  else if (at.kind === "localnet" || at.kind === "l2gateway") {
    yield { match: { in_port, vlan_tci: [0, 0x1000] }, strip: [] };
    yield anyVlan ? { match: { in_port }, strip: [] } : { match: { in_port, dl_vlan: 0 }, strip: [popVlan] };
  } else yield { match: { in_port }, strip: [] };
}

export const portIngress = each<DesiredFlow, Uuid, Port>("portIngress", sb.Port_Binding, function* (uuid, row, read) {
  const at = read(attachmentOf, uuid);
  const key = datapathKey(read, row);
  // What a mirror copies goes out by its port, and nothing comes in by it.
  if (at === undefined || key === undefined || at.kind === "mirror") return;
  const rest = ingressMetadata(read, row, key, at);
  if (at.kind === "localport") rest.push(set(reg.flags, flag.localport, flag.localport));
  const anyVlan = row.options.get("vlan-passthru") === "true";
  for (const { match, strip } of entries(at, anyVlan)) {
    const first = at.kind === "container" ? [set(reg.flags, flag.nestedContainer, flag.nestedContainer), ...strip] : strip;
    yield flow({
      table: t.physToLog,
      priority: at.tag === 0 ? 100 : 150,
      match,
      actions: [...first, ...rest, resubmit(t.logIngress)],
      from: uuid,
    });
  }
  if (at.kind === "localnet") yield* routerMacs(read, row, at, rest);
});

/**
 * Packets that another chassis sent through the physical network with its own MAC in place of a router's get the
 * router's back. One router port for a network: the conjunction cannot tell several apart.
 */
function* routerMacs(read: Read, row: Port, at: Attachment, rest: readonly Action[]): Iterable<DesiredFlow> {
  for (const router of routersAt(read, row.datapath)) {
    const mac = parsePortAddresses(router.mac[0] ?? "")?.mac;
    if (mac === undefined) continue;
    const where: MatchSpec = at.tag === 0 ? { vlan_tci: [0, 0x1000] } : { dl_vlan: at.tag };
    yield flow({
      table: t.physToLog,
      priority: 180,
      match: { in_port: at.ofport, ...where },
      actions: [conjunction(CHASSIS_MAC_CONJUNCTION, 2, 2)],
      from: router._uuid,
    });
    yield flow({
      table: t.physToLog,
      priority: 180,
      match: { conj_id: CHASSIS_MAC_CONJUNCTION, in_port: at.ofport, ...where },
      actions: [...(at.tag === 0 ? [] : [popVlan]), ...rest, set("eth_src", mac), resubmit(t.logIngress)],
      from: router._uuid,
    });
  }
}

export const chassisMacs = each<DesiredFlow, Uuid, SbRow<"Chassis">>("chassisMacs", sb.Chassis, function* (uuid, row, read) {
  if (uuid === read(ownChassis, 0) || read(config, 0) === undefined) return;
  for (const text of new Set(pairs(row.other_config.get("ovn-chassis-mac-mappings") ?? "").values())) {
    const mac = parsePortAddresses(text)?.mac;
    if (mac === undefined) continue;
    yield flow({
      table: t.physToLog,
      priority: 180,
      match: { eth_src: mac },
      actions: [conjunction(CHASSIS_MAC_CONJUNCTION, 1, 2)],
      from: uuid,
    });
  }
});
