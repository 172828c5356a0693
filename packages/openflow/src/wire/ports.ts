/** Port descriptions of each version. */
import { PORT_STATE, type PortDescription } from "../message/config.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { readOutPort, writeOutPort } from "./flowRows.ts";

/** OFPPF_ bits of OpenFlow 1.0, low bits alike, the upper ones moved up in 1.1: number in 1.1 by number in 1.0. */
const FEATURE_SHIFT = 4;
const FEATURES_10_LOW = 0x7f;

/** OpenFlow 1.0's feature bits from those of 1.1 and later. */
export function featuresTo10(features: number): number {
  return (features & FEATURES_10_LOW) | ((features >>> FEATURE_SHIFT) & 0xf80);
}

export function featuresFrom10(features: number): number {
  return (features & FEATURES_10_LOW) | ((features & 0xf80) << FEATURE_SHIFT);
}

/** Port configuration bits that exist from OpenFlow 1.1 on. */
const CONFIG_11 = 0x65;
const STATE_11 = 7;

export function writePort(out: ByteWriter, port: PortDescription, version: number): void {
  const start = out.at;
  writeOutPort(out, port.port, version);
  if (version >= 5) out.u16(0).zeros(2);
  else if (version > 1) out.zeros(4);
  out.u48(port.mac);
  if (version > 1) out.zeros(2);
  out.text(port.name, 16);
  if (version === 1) {
    out.u32(port.config).u32(port.state & (PORT_STATE.LINK_DOWN | PORT_STATE.STP_MASK));
    for (const features of [port.current, port.advertised, port.supported, port.peer]) out.u32(featuresTo10(features));
    return;
  }
  out.u32(port.config & CONFIG_11).u32(port.state & STATE_11);
  if (version >= 5) out.u16(0).u16(32).zeros(4);
  out.u32(port.current).u32(port.advertised).u32(port.supported).u32(port.peer).u32(port.currentSpeed).u32(port.maxSpeed);
  if (version >= 5) out.patch16(start + 4, out.at - start);
}

/** Speed in kbit/s of OpenFlow 1.0's feature bits: of the fastest of them. */
export function speedOf(features: number): number {
  const speeds = [10, 10, 100, 100, 1000, 1000, 10000, 40000, 100000, 1000000];
  for (let bit = 9; bit >= 0; bit--) if ((features & (1 << bit)) !== 0) return speeds[bit]! * 1000;
  return 0;
}

export function readPort(input: ByteReader, version: number): PortDescription {
  const start = input.at;
  const port = readOutPort(input, version);
  let end = input.end;
  if (version >= 5) {
    const length = input.u16();
    if (length < 40 || start + length > input.end) throw input.fail("OFPBRC_BAD_LEN", `port of ${length} bytes`);
    end = start + length;
    input.skip(2);
  } else if (version > 1) input.skip(4);
  const mac = input.u48();
  if (version > 1) input.skip(2);
  const name = input.text(16);
  const config = input.u32();
  const state = input.u32();
  if (version === 1) {
    const [current, advertised, supported, peer] = [input.u32(), input.u32(), input.u32(), input.u32()].map(featuresFrom10) as [
      number,
      number,
      number,
      number,
    ];
    return {
      port,
      mac,
      name,
      config: config & 0x7f,
      state: state & (PORT_STATE.LINK_DOWN | PORT_STATE.STP_MASK),
      current,
      advertised,
      supported,
      peer,
      currentSpeed: speedOf(current),
      maxSpeed: speedOf(supported),
    };
  }
  const numbers = [0, 0, 0, 0, 0, 0];
  const readNumbers = (from: ByteReader) => {
    for (let i = 0; i < 6; i++) numbers[i] = from.u32();
  };
  if (version < 5) readNumbers(input);
  else
    while (input.at < end) {
      const at = input.at;
      const type = input.u16();
      const length = input.u16();
      if (length < 4 || at + length > end) throw input.fail("OFPBPC_BAD_LEN", "port property");
      if (type === 0) {
        input.skip(4);
        readNumbers(input);
      }
      input.at = Math.min(end, at + Math.ceil(length / 8) * 8);
    }
  const [current, advertised, supported, peer, currentSpeed, maxSpeed] = numbers as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return {
    port,
    mac,
    name,
    config: config & CONFIG_11,
    state: state & STATE_11,
    current,
    advertised,
    supported,
    peer,
    currentSpeed,
    maxSpeed,
  };
}
