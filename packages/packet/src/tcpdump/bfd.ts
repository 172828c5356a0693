/** BFD control packets as tcpdump prints them. */
import { bitNames, type Text } from "./text.ts";

const STATES = ["AdminDown", "Down", "Init", "Up"];
const FLAGS = [
  [0x20, "Poll"],
  [0x10, "Final"],
  [0x08, "Control Plane Independent"],
  [0x04, "Authentication Present"],
  [0x02, "Demand"],
  [0x01, "Reserved"],
] as const;
const DIAGNOSTICS = [
  "No Diagnostic",
  "Control Detection Time Expired",
  "Echo Function Failed",
  "Neighbor Signaled Session Down",
  "Forwarding Plane Reset",
  "Path Down",
  "Concatenated Path Down",
  "Administratively Down",
  "Reverse Concatenated Path Down",
];

export function printBfd(t: Text, start: number, length: number): void {
  t.protocol = "bfd";
  const version = t.u8(start) >>> 5;
  if (version !== 1) {
    t.put(`BFDv${version}, Control, length: ${length}`);
    return;
  }
  t.need(start, 24);
  const flags = t.u8(start + 1) & 0x3f;
  const state = `State ${STATES[t.u8(start + 1) >>> 6]}, Flags: [${bitNames(flags, FLAGS)}]`;
  if (t.verbose === 0) {
    t.put(`BFDv1, Control, ${state}, length: ${length}`);
    return;
  }
  const diagnostic = t.u8(start) & 31;
  const multiplier = t.u8(start + 2);
  const interval = (at: number): string => String(Math.floor(t.u32(at) / 1000)).padStart(4);
  t.put(`BFDv1, length: ${length}\n\tControl, ${state}`);
  t.put(`, Diagnostic: ${DIAGNOSTICS[diagnostic] ?? `unknown (${diagnostic})`} (0x${diagnostic.toString(16).padStart(2, "0")})`);
  t.put(
    `\n\tDetection Timer Multiplier: ${multiplier} (${Math.floor((multiplier * t.u32(start + 12)) / 1000)} ms Detection time)`,
  );
  t.put(`, BFD Length: ${t.u8(start + 3)}`);
  t.put(`\n\tMy Discriminator: 0x${t.hex(start + 4, 4)}, Your Discriminator: 0x${t.hex(start + 8, 4)}`);
  t.put(`\n\t  Desired min Tx Interval:    ${interval(start + 12)} ms`);
  t.put(`\n\t  Required min Rx Interval:   ${interval(start + 16)} ms`);
  t.put(`\n\t  Required min Echo Interval: ${interval(start + 20)} ms`);
}
