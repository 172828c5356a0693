/**
 * Gratuitous ARP: on a physical network, ports of this chassis announce where they are, five times with growing pauses
 * (ovn-controller(8) garp-max-timeout-sec: longer, with pauses of at most that). A VIF announces one address; if it has
 * none of IPv4, its MAC by a reverse ARP request (RFC 903).
 */
import { counted, each, type Read } from "@weft/incremental";
import { OFPP } from "@weft/openflow";
import type { Uuid } from "@weft/ovsdb";
import { ARP_OPERATION, emit, type Ipv4, MAC_BROADCAST, MAC_ZERO, type Mac, parseIpv4 } from "@weft/packet";
import type { Clock } from "@weft/runtime";
import type { SbRow } from "@weft/schemas";
import { isResident } from "../lflow/names.ts";
import { parsePortAddresses } from "../model/addresses.ts";
import { attachmentOf, claimOf } from "../model/binding.ts";
import { localKeyOf, localnetOf, peerOf } from "../model/datapaths.ts";
import { sb } from "../model/inputs.ts";
import type { Exchange } from "../ofctrl/exchange.ts";
import { set } from "../physical/flow.ts";
import { reg, tables as t } from "../tables.ts";
import { packetOut } from "./packetOut.ts";

/** An address that this chassis announces, as coming in by a port. */
export interface Announcement {
  /** Tunnel keys. */
  readonly datapath: number;
  readonly port: number;
  readonly mac: Mac;
  /** Undefined: the MAC alone. */
  readonly ip: Ipv4 | undefined;
}

/** Whether `"MAC IP... is_chassis_resident("PORT")"` is for this chassis; without the condition it is. */
function here(read: Read, text: string): boolean {
  const condition = /is_chassis_resident\("([^"]*)"\)/.exec(text);
  return condition === null || read(isResident, condition[1]!);
}

/** Whether the router behind a port wants nothing announced: Logical_Router options:disable_garp_rarp, ovn-nb(5). */
function isSilent(read: Read, port: Uuid): boolean {
  const peer = read(peerOf, port);
  const datapath = peer === undefined ? undefined : read(sb.Port_Binding, peer)?.datapath;
  const router = datapath === undefined ? undefined : read(sb.Datapath_Binding, datapath);
  return router?.external_ids.get("disable_garp_rarp") === "true";
}

export const announcements = each<Announcement, Uuid, SbRow<"Port_Binding">>(
  "announcements",
  sb.Port_Binding,
  function* (uuid, row, read) {
    const datapath = read(localKeyOf, row.datapath);
    if (datapath === undefined || read(localnetOf, row.datapath) === undefined) return;
    const where = { datapath, port: row.tunnel_key };
    if (row.type === "" && read(claimOf, uuid) !== undefined && read(attachmentOf, uuid) !== undefined) {
      if (row.options.get("disable_garp_rarp") === "true") return;
      const first = row.mac.map(parsePortAddresses).find((addresses) => addresses !== undefined);
      if (first !== undefined) yield { ...where, mac: first.mac, ip: first.ipv4[0]?.address };
    }
    if (row.type !== "patch" && (row.type !== "l3gateway" || read(claimOf, uuid) === undefined)) return;
    if (isSilent(read, uuid)) return;
    for (const text of row.nat_addresses) {
      if (!here(read, text)) continue;
      const addresses = parsePortAddresses(text.replace(/is_chassis_resident\(.*$/, ""));
      for (const { address } of addresses?.ipv4 ?? []) yield { ...where, mac: addresses!.mac, ip: address };
    }
  },
);

function identity({ datapath, port, mac, ip }: Announcement): string {
  return [datapath, port, mac, ip].join(" ");
}

const ETHERTYPE_RARP = 0x8035;
const FIRST_PAUSE = 1000;
const LAST_PAUSE = 8000;

export class Announcer {
  readonly #clock: Clock;
  readonly #pending = new Map<string, { readonly one: Announcement; due: number; pause: number }>();
  /** Longest pause (ms) with garp-max-timeout-sec: announcements then go on for ever. */
  longest: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What is announced already does not begin anew when its row changes. */
  readonly sink = counted<Announcement>(identity, {
    appear: (one) => {
      this.#pending.set(identity(one), { one, due: this.#clock.now(), pause: FIRST_PAUSE });
    },
    vanish: (one) => {
      this.#pending.delete(identity(one));
    },
  });

  /** Sends what is due; returns when the next is (monotonic ms). */
  send(exchange: Exchange): number | undefined {
    const now = this.#clock.now();
    let next: number | undefined;
    for (const [key, state] of this.#pending) {
      const { one } = state;
      if (state.due <= now) {
        exchange.send(
          packetOut(packetOf(one), [
            set("metadata", one.datapath),
            set(reg.inport, one.port),
            { type: "resubmit", port: OFPP.CONTROLLER, table: t.logIngress, ct: false },
          ]),
        );
        if (this.longest === undefined && state.pause > LAST_PAUSE) {
          this.#pending.delete(key);
          continue;
        }
        state.due = now + Math.min(state.pause, this.longest ?? LAST_PAUSE);
        state.pause *= 2;
      }
      next = next === undefined ? state.due : Math.min(next, state.due);
    }
    return next;
  }
}

function packetOf({ mac, ip }: Announcement): Uint8Array {
  if (ip !== undefined) {
    return emit([
      { kind: "ethernet", dst: MAC_BROADCAST, src: mac },
      { kind: "arp", operation: ARP_OPERATION.request, senderMac: mac, senderIp: ip, targetMac: MAC_ZERO, targetIp: ip },
    ]);
  }
  const nobody = parseIpv4("0.0.0.0")!;
  return emit([
    { kind: "ethernet", dst: MAC_BROADCAST, src: mac, etherType: ETHERTYPE_RARP },
    {
      kind: "arp",
      operation: ARP_OPERATION.reverseRequest,
      senderMac: mac,
      senderIp: nobody,
      targetMac: mac,
      targetIp: nobody,
    },
  ]);
}
