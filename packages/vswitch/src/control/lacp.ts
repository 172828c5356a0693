/** lacp/show and lacp/show-stats (ovs-vswitchd(8), "BOND COMMANDS"). */
import { formatMac, LACP_STATE, type LacpInfo, lacpActor, lacpMayEnable } from "@weft/packet";
import type { ControlCommand } from "@weft/runtime";
import type { LacpSession } from "../bond/lacp.ts";
import { type ControlContext, command, refuse } from "./context.ts";

function infoLines(who: "actor" | "partner", info: LacpInfo): string[] {
  const states = Object.entries(LACP_STATE).filter(([, bit]) => (info.state & bit) !== 0);
  return [
    "",
    `  ${who} sys_id: ${formatMac(info.system)}`,
    `  ${who} sys_priority: ${info.systemPriority}`,
    `  ${who} port_id: ${info.port}`,
    `  ${who} port_priority: ${info.portPriority}`,
    `  ${who} key: ${info.key}`,
    `  ${who} state:${states.map(([name]) => ` ${name}`).join("")}`,
  ];
}

const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join("");

function show(lacp: LacpSession): string {
  const { group } = lacp;
  const { active, system, systemPriority, key, fast } = group.settings;
  const members = [...group.members].sort(([a], [b]) => (a < b ? -1 : 1));
  return text([
    `---- ${lacp.name} ----`,
    `  status: ${active ? "active" : "passive"}${lacp.negotiated ? " negotiated" : ""}`,
    `  sys_id: ${formatMac(system)}`,
    `  sys_priority: ${systemPriority}`,
    `  aggregation key: ${key}`,
    `  lacp_time: ${fast ? "fast" : "slow"}`,
    ...members.flatMap(([name, member]) => [
      "",
      `member: ${name}: ${member.status} ${member.attached ? "attached" : "detached"}`,
      `  port_id: ${member.settings.port}`,
      `  port_priority: ${member.settings.portPriority}`,
      `  may_enable: ${lacpMayEnable(group, member)}`,
      ...infoLines("actor", lacpActor(group, member)),
      ...infoLines("partner", member.partner),
    ]),
  ]);
}

function showStatistics(lacp: LacpSession): string {
  const members = [...lacp.group.members.keys()].sort();
  return text([
    `---- ${lacp.name} statistics ----`,
    ...members.flatMap((name) => {
      const { sent, received, bad, markers, expired, defaulted, carrier } = lacp.counters(name);
      return [
        "",
        `member: ${name}:`,
        `  TX PDUs: ${sent}`,
        `  RX PDUs: ${received}`,
        `  RX Bad PDUs: ${bad}`,
        `  RX Marker Request PDUs: ${markers}`,
        `  Link Expired: ${expired}`,
        `  Link Defaulted: ${defaulted}`,
        `  Carrier Status Changed: ${carrier}`,
      ];
    }),
  ]);
}

export function lacpCommands({ bonds }: ControlContext): ControlCommand[] {
  const sessions = (name: string | undefined): LacpSession[] => {
    const all = bonds.bundles.flatMap(({ lacp }) => lacp ?? []);
    const found = name === undefined ? all : all.filter((lacp) => lacp.name === name);
    if (name !== undefined && found.length === 0) throw refuse("no such lacp object");
    return found;
  };
  return [
    command("lacp/show", "[port]", 0, 1, ([name]) => sessions(name).map(show).join("")),
    command("lacp/show-stats", "[port]", 0, 1, ([name]) => sessions(name).map(showStatistics).join("")),
  ];
}
