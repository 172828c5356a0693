/** Meters (OpenFlow 1.3 section 5.7): token buckets in units of a bit or of a thousandth of a packet. */
import { METER_FLAG, type MeterConfig, type MeterMod, OFPM } from "@weft/openflow";
import type { Bridge } from "./bridge.ts";
import { OpenFlowRefusal } from "./errors.ts";
import type { Rule } from "./rule.ts";

interface Band {
  readonly config: MeterConfig["bands"][number];
  /** Tokens left: milli-packets, or bits. */
  tokens: number;
  readonly limit: number;
  packets: number;
  bytes: number;
}

export class Meter {
  readonly id: number;
  /** The number in datapath actions. */
  readonly dpId: number;
  config: MeterConfig;
  bands: Band[] = [];
  packets = 0;
  bytes = 0;
  readonly created: number;
  #filled: number;

  constructor(config: MeterConfig, dpId: number, now: number) {
    this.id = config.meter;
    this.dpId = dpId;
    this.config = config;
    this.created = now;
    this.#filled = now;
    this.configure(config);
  }

  configure(config: MeterConfig): void {
    this.config = config;
    this.bands = config.bands.map((band) => {
      // Without a burst size, a second's worth; rates are kilobits or packets a second, so per ms bits or milli-packets.
      const burst = (config.flags & METER_FLAG.BURST) !== 0 && band.burst > 0 ? band.burst : band.rate;
      return { config: band, tokens: burst * 1000, limit: burst * 1000, packets: 0, bytes: 0 };
    });
  }

  /** Counts a packet; false when it is to be dropped. */
  admit(bytes: number, now: number): boolean {
    this.packets++;
    this.bytes += bytes;
    const elapsed = now - this.#filled;
    this.#filled = now;
    const cost = (this.config.flags & METER_FLAG.PKTPS) !== 0 ? 1000 : bytes * 8;
    let exceeded: Band | undefined;
    for (const band of this.bands) {
      band.tokens = Math.min(band.limit, band.tokens + elapsed * band.config.rate);
      if (band.tokens >= cost) band.tokens -= cost;
      else if (exceeded === undefined || band.config.rate > exceeded.config.rate) exceeded = band;
    }
    if (exceeded === undefined) return true;
    exceeded.packets++;
    exceeded.bytes += bytes;
    return exceeded.config.band !== "drop";
  }
}

export function meterMod(
  bridge: Bridge,
  mod: MeterMod,
  now: number,
  removeFlows: (using: (rule: Rule) => boolean) => void,
): void {
  if (mod.command === "delete") {
    const ids = mod.meter === OFPM.ALL ? [...bridge.meters.keys()] : bridge.meters.has(mod.meter) ? [mod.meter] : [];
    for (const id of ids) {
      const meter = bridge.meters.get(id) as Meter;
      bridge.datapath.releaseMeter(meter.dpId);
      bridge.meters.delete(id);
      removeFlows((rule) => rule.actions.some((action) => action.type === "meter" && action.meter === id));
    }
    if (ids.length > 0) bridge.changed();
    return;
  }
  if (mod.meter === 0 || (mod.meter > OFPM.MAX && mod.meter !== OFPM.CONTROLLER && mod.meter !== OFPM.SLOWPATH))
    throw new OpenFlowRefusal("OFPMMFC_INVALID_METER");
  const bandTypes = mod.bands.some((band) => band.band !== "drop");
  if (bandTypes) throw new OpenFlowRefusal("OFPMMFC_BAD_BAND");
  const rates = METER_FLAG.KBPS | METER_FLAG.PKTPS;
  if ((mod.flags & rates) === rates) throw new OpenFlowRefusal("OFPMMFC_BAD_FLAGS");
  if (mod.bands.length > 8) throw new OpenFlowRefusal("OFPMMFC_OUT_OF_BANDS");
  const old = bridge.meters.get(mod.meter);
  if (mod.command === "add") {
    if (old !== undefined) throw new OpenFlowRefusal("OFPMMFC_METER_EXISTS");
    const meter = new Meter(mod, bridge.datapath.allocateMeter(), now);
    bridge.meters.set(mod.meter, meter);
    bridge.datapath.setMeter(meter);
  } else {
    if (old === undefined) throw new OpenFlowRefusal("OFPMMFC_UNKNOWN_METER");
    old.configure(mod);
  }
  bridge.changed();
}
