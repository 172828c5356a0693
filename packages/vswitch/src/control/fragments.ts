/** dpctl/ipf-...: fragments that connection tracking holds (ovs-dpctl(8)). */
import { formatIpv4, formatIpv6, ipv4Of } from "@weft/packet";
import type { ControlCommand } from "@weft/runtime";
import { ipv6At } from "../datapath/fields.ts";
import { dpctlCommand, none } from "./conntrack.ts";
import { type ControlContext, refuse } from "./context.ts";

/** Limits that the settings keep (ovs-dpctl(8)). */
const LEAST_MINIMUM = 400;
const MOST_FRAGMENTS = 5000;

const invalid = (what: string): Error => refuse(`ovs-vswitchd: ${what} (Invalid argument)\n`);
const forbidden = (what: string): Error => refuse(`ovs-vswitchd: ${what} (Operation not permitted)\n`);

const numberOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d+$/.test(text) && Number(text) <= 0xffffffff ? Number(text) : undefined;

function status(c: ControlContext, more: boolean): string {
  const { fragments } = c.datapath.conntracker;
  const lines = ["        Fragmentation Module Status", "        ---------------------------"];
  const say = (name: string, value: number): void => {
    lines.push(`        ${name}: ${value}`);
  };
  for (const family of [4, 6] as const) say(`v${family} enabled`, fragments.enabled[family] ? 1 : 0);
  say("max num frags (v4/v6)", fragments.maximum);
  say("num frag", fragments.held);
  for (const family of [4, 6] as const) {
    const counters = fragments.counters[family];
    say(`min v${family} frag size`, fragments.minimum[family]);
    say(`v${family} frags accepted`, counters.accepted);
    say(`v${family} frags completed`, counters.completed);
    say(`v${family} frags expired`, counters.expired);
    say(`v${family} frags too small`, counters.tooSmall);
    say(`v${family} frags overlapped`, counters.overlapped);
    // The reference counts here what its own thread, not a packet, has found to be too old.
    say(`v${family} frags purged`, 0);
  }
  if (more) {
    lines.push("", "        Fragment Lists:", "");
    for (const { family, words, fragments: count, first, last } of fragments.lists()) {
      const half = family === 4 ? 1 : 4;
      const address = (at: number): string =>
        family === 4 ? formatIpv4(ipv4Of(words[at] as number)) : formatIpv6(ipv6At(words, at));
      const [recirc, id, zone, protocol] = words.slice(2 * half) as [number, number, number, number];
      const state = first && last ? "first/last frag" : last ? "last frag" : first ? "first frag" : "other frag";
      lines.push(
        `(src=${address(0)},dst=${address(half)},recirc_id=${recirc},ip_id=${id},dl_type=0x${family === 4 ? "800" : "86dd"},` +
          `zone=${zone},nw_proto=${protocol},num_fragments=${count},state=${state})`,
      );
    }
  }
  return `${lines.join("\n")}\n`;
}

export function fragmentCommands(c: ControlContext): ControlCommand[] {
  const { fragments } = c.datapath.conntracker;
  const familyOf = (text: string | undefined, complaint: string): 4 | 6 => {
    if (text === "v4") return 4;
    if (text === "v6") return 6;
    throw invalid(complaint);
  };
  return [
    ...([true, false] as const).map((on) =>
      dpctlCommand(c, on ? "ipf-set-enabled" : "ipf-set-disabled", "[dp] v4|v6", 1, 2, ({ operands }) => {
        fragments.enabled[familyOf(operands.at(-1), "parameter missing: 'v4' for IPv4 or 'v6' for IPv6")] = on;
        return `${on ? "enabling" : "disabling"} fragmentation reassembly successful`;
      }),
    ),
    dpctlCommand(c, "ipf-set-min-frag", "[dp] v4|v6 minfragment", 2, 3, ({ operands }) => {
      const family = familyOf(operands.at(-2), "parameter missing: v4 for IPv4 or v6 for IPv6");
      const size = numberOf(operands.at(-1));
      if (size === undefined) throw invalid("parameter missing for minimum fragment size");
      if (size < LEAST_MINIMUM) throw forbidden("requested minimum fragment size too small; see documentation");
      fragments.minimum[family] = size;
      return "setting minimum fragment size successful";
    }),
    dpctlCommand(c, "ipf-set-max-nfrags", "[dp] maxfrags", 1, 2, ({ operands }) => {
      const count = numberOf(operands.at(-1));
      if (count === undefined) throw invalid("parameter missing for maximum fragments");
      if (count > MOST_FRAGMENTS) throw forbidden("setting maximum fragments failed");
      fragments.maximum = count;
      return "setting maximum fragments successful";
    }),
    dpctlCommand(c, "ipf-get-status", "[dp]", 0, 1, (args) => {
      none(args);
      return status(c, args.options.has("-m"));
    }),
  ];
}
