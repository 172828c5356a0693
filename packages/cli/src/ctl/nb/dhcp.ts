import { parseIpv4, parseIpv6 } from "@weft/packet";
import { fail } from "../error.ts";
import { type NbCall, type NbCommand, parsePairs, printPairs } from "./common.ts";

const GROUP = "DHCP options commands";
const tables = ["DHCP_Options"] as const;

function needOptions(call: NbCall) {
  const text = call.arg(0);
  return (
    [...call.db.rows("DHCP_Options")].find(({ _uuid }) => _uuid === text.toLowerCase()) ??
    fail(`${text}: dhcp options UUID not found`)
  );
}

function isCidr(text: string): boolean {
  const [address = "", length, more] = text.split("/");
  if (more !== undefined) return false;
  const width = parseIpv4(address) !== undefined ? 32 : parseIpv6(address) !== undefined ? 128 : undefined;
  if (width === undefined) return false;
  return (
    length === undefined || (/^[0-9]+$/.test(length) ? Number(length) <= width : width === 32 && parseIpv4(length) !== undefined)
  );
}

export const dhcpCommands: readonly NbCommand[] = [
  {
    name: "dhcp-options-create",
    usage: "CIDR [EXTERNAL_IDS]",
    min: 1,
    max: Number.POSITIVE_INFINITY,
    tables,
    group: GROUP,
    help: "create a set of DHCP options",
    run(call) {
      const cidr = call.arg(0);
      if (!isCidr(cidr)) fail(`Invalid cidr format '${cidr}'`);
      call.db.insert("DHCP_Options", { cidr, external_ids: parsePairs(call.args.slice(1)) });
    },
  },
  {
    name: "dhcp-options-del",
    usage: "DHCP_OPTIONS",
    min: 1,
    max: 1,
    tables,
    group: GROUP,
    help: "delete a set of DHCP options",
    run: (call) => call.db.delete("DHCP_Options", needOptions(call)._uuid),
  },
  {
    name: "dhcp-options-list",
    usage: "",
    min: 0,
    max: 0,
    tables,
    group: GROUP,
    help: "print the uuids of all sets of DHCP options",
    run(call) {
      for (const uuid of [...call.db.rows("DHCP_Options")].map(({ _uuid }) => _uuid).sort()) call.print(`${uuid}\n`);
    },
  },
  {
    name: "dhcp-options-set-options",
    usage: "DHCP_OPTIONS KEY=VALUE...",
    min: 1,
    max: Number.POSITIVE_INFINITY,
    tables,
    group: GROUP,
    help: "set DHCP options",
    run: (call) => call.db.update("DHCP_Options", needOptions(call)._uuid, { options: parsePairs(call.args.slice(1)) }),
  },
  {
    name: "dhcp-options-get-options",
    usage: "DHCP_OPTIONS",
    min: 1,
    max: 1,
    tables,
    group: GROUP,
    help: "print DHCP options",
    run: (call) => printPairs(call, needOptions(call).options),
  },
];
