/** Meters as text (ovs-ofctl(8), "Meter Syntax"). */
import { METER_FLAG, type MeterBand, type MeterMod } from "../message/config.ts";
import { OFPM } from "../ports.ts";
import { TextError } from "./error.ts";
import { u8, u32 } from "./number.ts";
import { items } from "./scan.ts";

export function parseMeterId(text: string): number {
  const lower = text.toLowerCase();
  if (lower === "all") return OFPM.ALL;
  if (lower === "controller") return OFPM.CONTROLLER;
  if (lower === "slowpath") return OFPM.SLOWPATH;
  const id = u32(text);
  if (id === 0 || id > OFPM.MAX) throw new TextError(`invalid value for meter ${text}`, text);
  return id;
}

/** Parses what add-meter, mod-meter and del-meter take. Throws a TextError. */
export function parseMeterMod(text: string, command: MeterMod["command"]): MeterMod {
  const at = text.indexOf("band");
  const head = at < 0 ? text : text.slice(0, at);
  const bandText = at < 0 ? undefined : text.slice(text.indexOf("=", at) + 1);
  if (command !== "delete" && (bandText === undefined || text.indexOf("=", at) < 0))
    throw new TextError("must specify bands", text);
  let meter: number | undefined;
  let flags = 0;
  const flagBits: Readonly<Record<string, number>> = {
    kbps: METER_FLAG.KBPS,
    pktps: METER_FLAG.PKTPS,
    burst: METER_FLAG.BURST,
    stats: METER_FLAG.STATS,
  };
  for (const { key, value, delimiter } of items(head)) {
    const bit = flagBits[key];
    if (bit !== undefined && command !== "delete") flags |= bit;
    else if (delimiter === "") throw new TextError("missing argument", text);
    else if (key === "meter") meter = parseMeterId(value);
    else throw new TextError(`unknown keyword ${key}`, text);
  }
  if (meter === undefined) throw new TextError("must specify 'meter'", text);
  if (command !== "delete" && (flags & 3) === 0) throw new TextError("meter must have either 'kbps' or 'pktps' flag", text);
  return { type: "meter_mod", command, meter, flags, bands: bandText === undefined ? [] : parseBands(bandText, flags, text) };
}

function parseBands(text: string, flags: number, whole: string): MeterBand[] {
  const bands: { band: MeterBand["band"]; rate: number; burst: number; precedence: number }[] = [];
  for (const { key, value } of items(text)) {
    if (key === "type") {
      if (value !== "drop" && value !== "dscp_remark") throw new TextError("field bands unknown 'band_type'", whole);
      bands.push({ band: value, rate: 0, burst: 0, precedence: 0 });
      continue;
    }
    const band = bands[bands.length - 1];
    if (band === undefined) throw new TextError("bands must start with 'type'", whole);
    if (key === "rate") band.rate = u32(value);
    else if (key === "burst_size") {
      if ((flags & METER_FLAG.BURST) !== 0) band.burst = u32(value);
    } else if (key === "prec_level") {
      if (band.band !== "dscp_remark") throw new TextError("prec_level only valid for dscp_remark", whole);
      band.precedence = u8(value, "prec_level");
    } else throw new TextError(`unknown keyword ${key}`, whole);
  }
  if (bands.length === 0) throw new TextError("must specify bands", whole);
  return bands;
}
