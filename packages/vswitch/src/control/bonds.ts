/** bond/... (ovs-vswitchd(8), "BOND COMMANDS"). */
import { parseMac } from "@weft/packet";
import type { ControlCommand } from "@weft/runtime";
import { SLOTS, sourceSlot } from "../bond/balance.ts";
import type { Bond } from "../bond/bond.ts";
import { type ControlContext, command, refuse } from "./context.ts";

/** The number that a text begins with, in 32 bits; undefined: none. */
function leadingNumber(text: string): number | undefined {
  const digits = /^[+-]?\d+/.exec(text)?.[0];
  return digits === undefined ? undefined : Number(BigInt.asUintN(32, BigInt(digits.replace("+", ""))));
}

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);

/** The lines of bond/show on one bond. */
function showBond(bond: Bond, now: number): string {
  const { config, lacp, active } = bond;
  const mayRecirculate = bond.mode === "balance-tcp";
  const lines = [
    `---- ${bond.name} ----`,
    `bond_mode: ${config.mode}`,
    `bond may use recirculation: ${mayRecirculate ? "yes" : "no"}, Recirc-ID : ${mayRecirculate ? (bond.recircId ?? -1) : -1}`,
    `bond-hash-basis: ${config.basis}`,
    "lb_output action: disabled, bond-id: -1",
  ];
  if (config.mode === "balance-slb") lines.push(`all members active: ${config.allActive}`);
  lines.push(`updelay: ${config.updelay} ms`, `downdelay: ${config.downdelay} ms`);
  if (bond.untilRebalance !== undefined) lines.push(`next rebalance: ${Math.round(bond.untilRebalance)} ms`);
  const primary = bond.mode === "active-backup" ? config.primary : undefined;
  lines.push(
    `lacp_status: ${lacp === undefined ? "off" : lacp.negotiated ? "negotiated" : "configured"}`,
    `lacp_fallback_ab: ${lacp?.group.settings.fallback === true}`,
    `active-backup primary: ${primary ?? "<none>"}`,
    `active member mac: ${bond.activeMac}(${active?.name ?? "none"})`,
    "",
  );
  for (const [name, { enabled, mayEnable, due }] of [...bond.members].sort(byName)) {
    lines.push(`member ${name}: ${enabled ? "enabled" : "disabled"}`);
    if (name === active?.name) lines.push("  active member");
    if (due !== undefined) lines.push(`  ${mayEnable ? "updelay" : "downdelay"} expires in ${Math.round(due - now)} ms`);
    lines.push(`  may_enable: ${mayEnable}`);
    for (const { slot, bytes } of bond.mode === "active-backup" ? [] : bond.loads(name)) {
      const kb = Math.floor(bytes / 1024);
      if (kb > 0) lines.push(`  hash ${slot}: ${kb} kB load`);
    }
    lines.push("");
  }
  return lines.map((line) => `${line}\n`).join("");
}

export function bondCommands({ bonds, datapath }: ControlContext): ControlCommand[] {
  const all = (): Bond[] => bonds.bundles.flatMap(({ bond }) => bond ?? []);
  const bondNamed = (name: string | undefined): Bond => {
    const found = all().find((bond) => bond.name === name);
    if (found === undefined) throw refuse("no such bond");
    return found;
  };
  const checkMember = (bond: Bond, name: string): void => {
    if (!bond.members.has(name)) throw refuse("no such member");
  };
  const set = (name: string, enabled: boolean, hidden: boolean): ControlCommand => ({
    ...command(name, hidden ? "" : "port member", 2, 2, ([bondName, member = ""]) => {
      const bond = bondNamed(bondName);
      checkMember(bond, member);
      bond.setEnabled(member, enabled);
      bonds.refresh();
      return enabled ? "enabled" : "disabled";
    }),
    hidden,
  });
  const activate = (name: string, hidden: boolean): ControlCommand => ({
    ...command(name, hidden ? "" : "port member", 2, 2, ([bondName, member = ""]) => {
      const bond = bondNamed(bondName);
      checkMember(bond, member);
      if (bond.members.get(member)?.enabled !== true) throw refuse("cannot make disabled member active");
      if (bond.active?.name === member) return "no change";
      bond.activate(member);
      bonds.refresh();
      return "done";
    }),
    hidden,
  });
  return [
    command("bond/list", "", 0, 0, () =>
      [
        "bond\ttype\trecircID\tmembers",
        ...all().map(({ name, config, recircId, members }) =>
          [name, config.mode, recircId ?? 0, [...members.keys()].join(", ")].join("\t"),
        ),
      ].join("\n"),
    ),
    command("bond/show", "[port]", 0, 1, ([name]) => {
      const shown = name === undefined ? all() : [bondNamed(name)];
      datapath.pushStatistics();
      return shown.map((bond) => showBond(bond, datapath.now())).join("");
    }),
    set("bond/enable-member", true, false),
    set("bond/enable-slave", true, true),
    set("bond/disable-member", false, false),
    set("bond/disable-slave", false, true),
    activate("bond/set-active-member", false),
    activate("bond/set-active-slave", true),
    command("bond/migrate", "port hash member", 3, 3, ([bondName, hash = "", member = ""]) => {
      const bond = bondNamed(bondName);
      if (bond.config.mode !== "balance-slb") throw refuse("not an SLB bond");
      if (!/^\d*$/.test(hash)) throw refuse("bad hash");
      checkMember(bond, member);
      if (bond.members.get(member)?.enabled !== true) throw refuse("cannot migrate to disabled member");
      bond.migrate(Number(hash) % SLOTS, member);
      return "migrated";
    }),
    command("bond/hash", "mac [vlan] [basis]", 1, 3, ([mac = "", vlan = "0", basis = "0"]) => {
      const [vlanNumber, basisNumber] = [leadingNumber(vlan), leadingNumber(basis)];
      if (vlanNumber === undefined) throw refuse("invalid vlan");
      if (basisNumber === undefined) throw refuse("invalid basis");
      const address = parseMac(mac);
      if (address === undefined) throw refuse("invalid mac");
      return String(sourceSlot(address, vlanNumber, basisNumber));
    }),
  ];
}
