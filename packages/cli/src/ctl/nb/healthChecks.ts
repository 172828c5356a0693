import { isUuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { fail } from "../error.ts";
import { type NbCall, type NbCommand, needSwitchPort, parseUnsigned, type SwitchPort } from "./common.ts";
import { normaliseAddress } from "./routes.ts";

const GROUP = "Health check commands";
const tables = ["Logical_Switch_Port", "Logical_Switch_Port_Health_Check"] as const;
const protocols = ["icmp", "tcp", "udp"] as const;

function checksOf(call: NbCall, port: SwitchPort): NbRow<"Logical_Switch_Port_Health_Check">[] {
  return port.health_checks
    .map((uuid) => call.db.row("Logical_Switch_Port_Health_Check", uuid))
    .filter((row) => row !== undefined);
}

/** The IP addresses among "MAC IP..." words. */
function addressesOf(port: SwitchPort): Set<string> {
  return new Set(
    port.addresses.flatMap((text) => text.split(" ")).flatMap((word) => normaliseAddress(word.split("/")[0] ?? "") ?? []),
  );
}

function add(call: NbCall): void {
  const port = needSwitchPort(call, call.arg(0));
  const protocol = protocols.find((word) => word === call.arg(1)) ?? fail(`${call.arg(1)}: Type must be icmp, tcp, or udp.`);
  const source = normaliseAddress(call.arg(2)) ?? fail(`${call.arg(2)}: Not a valid IPv4 or IPv6 address.`);
  const rest = call.args.slice(3);
  const number =
    protocol === "icmp" ? 0 : (parseUnsigned(rest[0] ?? "", 65535) ?? fail(`${rest[0] ?? ""}: port must in range 0...65535`));
  const text = rest[protocol === "icmp" ? 0 : 1] ?? fail("No addresses specified for health checking.");
  const address = normaliseAddress(text) ?? fail(`Not a valid IPv4 or IPv6 address ${text}.`);
  if (!addressesOf(port).has(address)) fail(`Address ${address} not configured on port ${call.arg(0)}.`);
  if (checksOf(call, port).some((check) => check.address === address)) {
    fail(`Health check with address ${address} already exists on port ${call.arg(0)}.`);
  }
  const check = call.db.insert("Logical_Switch_Port_Health_Check", { protocol, src_ip: source, port: number, address });
  call.db.mutate("Logical_Switch_Port", port._uuid, "health_checks", { insert: [check] });
}

function describe({ protocol, src_ip, port, address }: NbRow<"Logical_Switch_Port_Health_Check">): string {
  const where = protocol === "icmp" ? "" : `  Port          :  ${port}\n`;
  return `  Protocol      :  ${protocol}\n  Source IP     :  ${src_ip}\n${where}  Address       :  ${address}\n`;
}

export const healthCheckCommands: readonly NbCommand[] = [
  {
    name: "lsp-hc-add",
    usage: "PORT PROTOCOL SRC_IP [DST_PORT] ADDRESS",
    min: 4,
    max: 5,
    tables,
    group: GROUP,
    help: "probe an address of a port",
    run: add,
  },
  {
    name: "lsp-hc-del",
    usage: "PORT [HC_UUID]",
    min: 1,
    max: 2,
    tables,
    group: GROUP,
    help: "probe one address of a port, or all, no more",
    run(call) {
      const port = needSwitchPort(call, call.arg(0));
      const which = call.args[1];
      if (which !== undefined && !isUuid(which)) fail(`${which}: Invalid UUID format.`);
      const gone = port.health_checks.filter((uuid) => which === undefined || uuid === which.toLowerCase());
      if (which !== undefined && gone.length === 0) fail(`${which}: Logical Switch Port Health Check not found.`);
      if (gone.length > 0) call.db.mutate("Logical_Switch_Port", port._uuid, "health_checks", { delete: gone });
    },
  },
  {
    name: "lsp-hc-list",
    usage: "PORT",
    min: 1,
    max: 1,
    tables,
    group: GROUP,
    help: "print what is probed of a port",
    run(call) {
      const port = needSwitchPort(call, call.arg(0));
      const checks = checksOf(call, port);
      if (checks.length > 0) call.print(`Logical Switch Port ${port.name}:\n${checks.map(describe).join("\n")}`);
    },
  },
];
