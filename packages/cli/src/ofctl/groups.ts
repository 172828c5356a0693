/** Commands about groups and meters. */
import {
  type GroupMod,
  type GroupModCommand,
  type Message,
  type MeterMod,
  OFPG,
  OFPM,
  parseGroupId,
  parseGroupMod,
  parseMeterId,
  parseMeterMod,
  takeGroupCommand,
} from "@weft/openflow";
import { Fatal } from "./fatal.ts";
import { sendBundle, withPlace } from "./flows.ts";
import { ANY_PROTOCOL, OF13_UP, PROTOCOL, usableForActions } from "./protocols.ts";
import type { Session } from "./session.ts";

const BUCKET_PROTOCOLS = PROTOCOL.OF10 | PROTOCOL.OF10_TID | PROTOCOL.NXM | PROTOCOL.NXM_TID | PROTOCOL.OXM15;

export function usableForGroup(mod: GroupMod): number {
  let usable = ANY_PROTOCOL;
  for (const bucket of mod.buckets) usable &= usableForActions(bucket.actions);
  if (mod.command === "remove_bucket" || (mod.command === "insert_bucket" && mod.buckets.length > 0)) usable &= BUCKET_PROTOCOLS;
  return usable;
}

async function sendGroupMods(session: Session, name: string, mods: readonly GroupMod[]): Promise<void> {
  if (mods.length === 0) return;
  const usable = mods.reduce((all, mod) => all & usableForGroup(mod), ANY_PROTOCOL);
  const allowed = await session.openForGroups(name, usable, mods[0]!.command);
  if (session.settings.bundle) await sendBundle(session, name, allowed, mods);
  else await session.mustSucceedAll(allowed, mods);
}

async function groupCommand(session: Session, args: readonly string[], command: GroupModCommand): Promise<void> {
  const [name, text] = args as [string, string | undefined];
  if (text === "-") {
    await groupsOfFile(session, name, "-", command);
    return;
  }
  const names = await session.namesToAccept(name);
  const given = text ?? (command === "delete" ? "group_id=all" : "");
  const [actual, rest] = takeGroupCommand(given, command);
  await sendGroupMods(session, name, [
    parseGroupMod(rest.trim() === "" && command === "delete" ? "group_id=all" : rest, actual, names),
  ]);
}

async function groupsOfFile(session: Session, name: string, path: string, command: GroupModCommand): Promise<void> {
  const names = await session.namesToAccept(name);
  const mods: GroupMod[] = [];
  for (const { text, where } of await session.readLines(path)) {
    const [actual, rest] = takeGroupCommand(text, command);
    mods.push(withPlace(where, () => parseGroupMod(rest, actual, names)));
  }
  await sendGroupMods(session, name, mods);
}

export function addGroup(session: Session, args: readonly string[]): Promise<void> {
  return groupCommand(session, args, "add");
}

export function addGroups(session: Session, args: readonly string[]): Promise<void> {
  return groupsOfFile(session, args[0]!, args[1]!, "add");
}

export function modGroup(session: Session, args: readonly string[]): Promise<void> {
  return groupCommand(session, args, session.settings.mayCreate ? "add_or_mod" : "modify");
}

export function delGroups(session: Session, args: readonly string[]): Promise<void> {
  return groupCommand(session, args, "delete");
}

export function insertBuckets(session: Session, args: readonly string[]): Promise<void> {
  return groupCommand(session, args, "insert_bucket");
}

export function removeBuckets(session: Session, args: readonly string[]): Promise<void> {
  return groupCommand(session, args, "remove_bucket");
}

export async function dumpGroups(session: Session, args: readonly string[]): Promise<void> {
  const [name, group] = args as [string, string | undefined];
  const names = await session.namesToShow(name);
  await session.dumpOnce(name, { type: "group_desc_request", group: group === undefined ? OFPG.ALL : groupIdOf(group) }, names);
}

function groupIdOf(text: string): number {
  try {
    return parseGroupId(text.replace(/^group_id=/, ""));
  } catch {
    return OFPG.ALL; // What is no group asks for all of them, as with ovs-ofctl.
  }
}

export async function dumpGroupStats(session: Session, args: readonly string[]): Promise<void> {
  const [name, text] = args as [string, string | undefined];
  const names = await session.namesToAccept(name);
  const group = text === undefined ? OFPG.ALL : parseGroupMod(text, "delete", names).group;
  await session.dumpOnce(name, { type: "group_stats_request", group });
}

export async function dumpGroupFeatures(session: Session, args: readonly string[]): Promise<void> {
  await session.dumpOnce(args[0]!, { type: "group_features_request" });
}

async function meterCommand(session: Session, args: readonly string[], command: MeterMod["command"]): Promise<void> {
  const [name, text] = args as [string, string | undefined];
  const mod = text === undefined ? deleteAll : parseMeterMod(text, command);
  const { connection } = await session.openForFlows(name, OF13_UP);
  await session.mustSucceed(connection, mod);
}

const deleteAll: MeterMod = { type: "meter_mod", command: "delete", meter: OFPM.ALL, flags: 0, bands: [] };

export function addMeter(session: Session, args: readonly string[]): Promise<void> {
  return meterCommand(session, args, "add");
}

export function modMeter(session: Session, args: readonly string[]): Promise<void> {
  return meterCommand(session, args, "modify");
}

export function delMeters(session: Session, args: readonly string[]): Promise<void> {
  return meterCommand(session, args, "delete");
}

async function meterRequest(session: Session, args: readonly string[], request: (meter: number) => Message): Promise<void> {
  const [name, text] = args as [string, string | undefined];
  const meter = text === undefined ? OFPM.ALL : parseMeterId(meterText(text));
  const { connection } = await session.openForDump(name, OF13_UP);
  await session.dump(connection, request(meter));
}

function meterText(text: string): string {
  const found = /^meter=(.*)$/.exec(text);
  if (found === null) throw new Fatal(text.includes("=") ? `unknown keyword ${text.split("=")[0]}` : "missing argument");
  return found[1]!;
}

export function dumpMeters(session: Session, args: readonly string[]): Promise<void> {
  return meterRequest(session, args, (meter) => ({ type: "meter_config_request", meter }));
}

export function meterStats(session: Session, args: readonly string[]): Promise<void> {
  return meterRequest(session, args, (meter) => ({ type: "meter_stats_request", meter }));
}

export function meterFeatures(session: Session, args: readonly string[]): Promise<void> {
  return meterRequest(session, args.slice(0, 1), () => ({ type: "meter_features_request" }));
}
