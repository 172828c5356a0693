/** Meters as the Southbound describes them. */
import type { Read } from "@weft/incremental";
import type { MeterRequest } from "@weft/logical";
import { METER_FLAG, type MeterConfig } from "@weft/openflow";
import { sb } from "../model/inputs.ts";

/** The meter that a request stands for; undefined where the Southbound has no meter of that name. */
export function meterConfig(read: Read, request: MeterRequest, meter: number): MeterConfig | undefined {
  if (request.kind === "rate") {
    const burst = request.burst > 0;
    return {
      meter,
      flags: METER_FLAG.KBPS | METER_FLAG.STATS | (burst ? METER_FLAG.BURST : 0),
      bands: [{ band: "drop", rate: request.rate, burst: request.burst, precedence: 0 }],
    };
  }
  for (const uuid of read.keys(sb.Meter)) {
    const row = read(sb.Meter, uuid);
    if (row?.name !== request.name) continue;
    const bands = row.bands.map((band) => read(sb.Meter_Band, band)).filter((band) => band !== undefined);
    const burst = bands.some((band) => band.burst_size > 0);
    return {
      meter,
      flags: (row.unit === "kbps" ? METER_FLAG.KBPS : METER_FLAG.PKTPS) | METER_FLAG.STATS | (burst ? METER_FLAG.BURST : 0),
      bands: bands.map((band) => ({ band: "drop" as const, rate: band.rate, burst: band.burst_size, precedence: 0 })),
    };
  }
  return undefined;
}
