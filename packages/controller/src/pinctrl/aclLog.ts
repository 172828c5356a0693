/** The log of ACLs (ovn-controller(8) "ACL LOGGING"): one line for a packet, for people and scripts. */
import { flowOfPacket, formatMatch } from "@weft/openflow";
import { tables as t } from "../tables.ts";

const VERDICTS = ["allow", "drop", "reject", "pass"];
const SEVERITIES: ReadonlyMap<number, string> = new Map([
  [1, "alert"],
  [4, "warning"],
  [5, "notice"],
  [6, "info"],
  [7, "debug"],
]);

/**
 * The line for a packet from OpenFlow table `table`. The operands of the action are the verdict, the severity (as in
 * syslog) and the ACL's name.
 */
export function aclLogLine(operands: Uint8Array, table: number, frame: Uint8Array): string {
  const name = new TextDecoder().decode(operands.subarray(2));
  const verdict = VERDICTS[operands[0] ?? -1] ?? "unknown";
  const severity = SEVERITIES.get(operands[1] ?? -1) ?? "unknown";
  const direction = table < t.logEgress ? "from-lport" : "to-lport";
  const packet = formatMatch(flowOfPacket(frame).match);
  return `name="${name === "" ? "<unnamed>" : name}", verdict=${verdict}, severity=${severity}, direction=${direction}: ${packet}`;
}
