/**
 * Gratuitous ARP: on a physical network, ports of this chassis announce where they are, five times with growing pauses
 * (ovn-controller(8) garp-max-timeout-sec: longer, with pauses of at most that).
 */
import { each, type Read } from "@weft/incremental";
import { MatchBuilder, OFPP } from "@weft/openflow";
import type { Uuid } from "@weft/ovsdb";
import { emit, type Ipv4, MAC_BROADCAST, MAC_ZERO, type Mac } from "@weft/packet";
import type { Clock } from "@weft/runtime";
import type { SbRow } from "@weft/schemas";
import { isResident } from "../lflow/names.ts";
import { parsePortAddresses } from "../model/addresses.ts";
import { attachmentOf, claimOf } from "../model/binding.ts";
import { localKeyOf, localnetOf } from "../model/datapaths.ts";
import { sb } from "../model/inputs.ts";
import type { Exchange } from "../ofctrl/exchange.ts";
import { set } from "../physical/flow.ts";
import { reg, tables as t } from "../tables.ts";

/** An address that this chassis announces, as coming in by a port. */
export interface Announcement {
  /** Tunnel keys. */
  readonly datapath: number;
  readonly port: number;
  readonly mac: Mac;
  readonly ip: Ipv4;
}

/** Whether `"MAC IP... is_chassis_resident("PORT")"` is for this chassis; without the condition it is. */
function here(read: Read, text: string): boolean {
  const condition = /is_chassis_resident\("([^"]*)"\)/.exec(text);
  return condition === null || read(isResident, condition[1]!);
}

export const announcements = each<Announcement, Uuid, SbRow<"Port_Binding">>(
  "announcements",
  sb.Port_Binding,
  function* (uuid, row, read) {
    const datapath = read(localKeyOf, row.datapath);
    if (datapath === undefined || read(localnetOf, row.datapath) === undefined) return;
    const isVif = row.type === "" && read(claimOf, uuid) !== undefined && read(attachmentOf, uuid) !== undefined;
    const isPatch = row.type === "patch" || (row.type === "l3gateway" && read(claimOf, uuid) !== undefined);
    const texts = isVif ? row.mac : isPatch ? row.nat_addresses.filter((text) => here(read, text)) : [];
    for (const text of texts) {
      const addresses = parsePortAddresses(text.replace(/is_chassis_resident\(.*$/, ""));
      for (const { address } of addresses?.ipv4 ?? []) yield { datapath, port: row.tunnel_key, mac: addresses!.mac, ip: address };
    }
  },
);

const FIRST_PAUSE = 1000;
const LAST_PAUSE = 8000;

export class Announcer {
  readonly #clock: Clock;
  readonly #pending = new Map<Announcement, { due: number; pause: number }>();
  /** Longest pause (ms) with garp-max-timeout-sec: announcements then go on for ever. */
  longest: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  readonly sink = {
    add: (one: Announcement): void => {
      this.#pending.set(one, { due: this.#clock.now(), pause: FIRST_PAUSE });
    },
    remove: (one: Announcement): void => {
      this.#pending.delete(one);
    },
  };

  /** Sends what is due; returns when the next is (monotonic ms). */
  send(exchange: Exchange): number | undefined {
    const now = this.#clock.now();
    let next: number | undefined;
    for (const [one, state] of this.#pending) {
      if (state.due <= now) {
        exchange.send({
          type: "packet_out",
          buffer: 0xffffffff,
          packet: gratuitousArp(one),
          metadata: FROM_CONTROLLER,
          actions: [
            set("metadata", one.datapath),
            set(reg.inport, one.port),
            { type: "resubmit", port: OFPP.CONTROLLER, table: t.logIngress, ct: false },
          ],
        });
        if (this.longest === undefined && state.pause > LAST_PAUSE) {
          this.#pending.delete(one);
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

const FROM_CONTROLLER = new MatchBuilder().set("in_port", OFPP.CONTROLLER).build();

function gratuitousArp({ mac, ip }: Announcement): Uint8Array {
  return emit([
    { kind: "ethernet", dst: MAC_BROADCAST, src: mac },
    { kind: "arp", operation: 1, senderMac: mac, senderIp: ip, targetMac: MAC_ZERO, targetIp: ip },
  ]);
}
