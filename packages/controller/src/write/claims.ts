/** Port_Binding.chassis, encap and up brought in line with which ports are here (model/binding.ts). */
import { each, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { attachmentOf, claimOf } from "../model/binding.ts";
import { ownChassis, ownChassisRow } from "../model/config.ts";
import { installed, portUp, sb } from "../model/inputs.ts";
import { type SbWrite, updateSb } from "./writes.ts";

type Port = SbRow<"Port_Binding">;

/** Two chassis that both have the interface take a port from each other at most so often (ms). */
const PATIENCE = 500;

/** The encapsulation that others are to use for a port: the one of its interface's encap-ip, else our default one. */
function encapFor(read: Read, uuid: Uuid): Uuid | undefined {
  const ip = read(attachmentOf, uuid)?.encapIp;
  const rows: SbRow<"Encap">[] = [];
  for (const encap of ownChassisRow(read)?.encaps ?? []) {
    const row = read(sb.Encap, encap);
    if (row !== undefined) rows.push(row);
  }
  const asked = ip === undefined ? undefined : rows.find((row) => row.ip === ip);
  return (asked ?? rows.find((row) => row.options.get("is_default") === "true"))?._uuid;
}

function addresses(row: Port): string[] {
  return row.mac.map((mac) => `${row.logical_port}: Claiming ${mac}`);
}

export const claims = each<SbWrite, Uuid, Port>("claims", sb.Port_Binding, function* (uuid, row, read) {
  const own = read(ownChassis, 0);
  if (own === undefined) return;
  const claim = read(claimOf, uuid);
  const name = row.logical_port;
  const additional = row.additional_chassis.includes(own);
  const others = row.additional_chassis.filter((chassis) => chassis !== own);
  if (claim === "main") {
    const encap = row.type === "virtual" || row.type === "mirror" ? undefined : encapFor(read, uuid);
    if (row.chassis !== own) {
      const before = row.chassis === undefined ? undefined : read(sb.Chassis, row.chassis)?.name;
      const first =
        row.chassis === undefined
          ? `Claiming lport ${name} for this chassis.`
          : `Changing chassis for lport ${name} from ${before ?? row.chassis} to ${ownChassisRow(read)?.name}.`;
      yield updateSb(
        "Port_Binding",
        uuid,
        {
          chassis: own,
          encap,
          ...(additional ? { additional_chassis: others } : {}),
          ...(read(portUp, uuid) === true ? { up: false } : {}),
        },
        { log: [first, ...addresses(row)], ...(row.chassis === undefined ? {} : { patience: PATIENCE }) },
      );
    } else if (row.encap !== encap || additional) {
      yield updateSb("Port_Binding", uuid, {
        encap,
        ...(additional ? { additional_chassis: others } : {}),
      });
    }
  } else if (claim === "additional") {
    if (!additional) {
      yield updateSb(
        "Port_Binding",
        uuid,
        { additional_chassis: [...row.additional_chassis, own] },
        { log: [`Claiming lport ${name} for this additional chassis.`, ...addresses(row)] },
      );
    }
    if (row.chassis === own) yield release(read, row);
  } else {
    if (row.chassis === own) yield release(read, row);
    if (additional) {
      yield updateSb(
        "Port_Binding",
        uuid,
        { additional_chassis: others },
        { log: [`Releasing lport ${name} from this additional chassis (sb_readonly=0)`] },
      );
    }
  }
});

function release(read: Read, row: Port): SbWrite {
  const down = read(portUp, row._uuid) === true;
  return {
    name: `release ${row._uuid}`,
    apply: (transaction) => {
      transaction.update("Port_Binding", row._uuid, {
        chassis: undefined,
        encap: undefined,
        ...(row.type === "virtual" ? { virtual_parent: undefined } : {}),
        ...(down ? { up: false } : {}),
      });
    },
    log: [
      `Releasing lport ${row.logical_port} from this chassis (sb_readonly=0)`,
      ...(down ? [`Setting lport ${row.logical_port} down in Southbound`] : []),
    ],
  };
}

/** up, once the flows of a port are in the switch. */
export const ups = each<SbWrite, Uuid, Port>("ups", sb.Port_Binding, function* (uuid, row, read) {
  const own = read(ownChassis, 0);
  if (own === undefined || row.chassis !== own || read(portUp, uuid) === true || read(claimOf, uuid) !== "main") return;
  if (row.type !== "" || read(installed, uuid) === true) {
    yield updateSb(
      "Port_Binding",
      uuid,
      { up: true },
      { log: row.type === "chassisredirect" ? [] : [`Setting lport ${row.logical_port} up in Southbound`] },
    );
  }
});
