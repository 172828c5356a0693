/** `weft verify [NODE]`: is what is installed what the databases ask for? */
import {
  FINDING_KINDS,
  type Finding,
  type FindingCode,
  formatFindings,
  readCloud,
  type TunnelCounters,
  tunnelCounters,
  tunnelsMayLose,
  verify,
} from "@weft/trace";
import { UsageError } from "../options.ts";
import type { CloudCommand } from "./commands.ts";

/** Milliseconds between two looks: a cloud that is changing just now is not wrong. */
const SETTLE = 500;
const LOOKS = 3;
/** A switch writes its counters every 5 s. */
const COUNTED = 5500;

/** What is so for a moment while a change goes through the cloud. */
const TRANSIENT: ReadonlySet<FindingCode> = new Set<FindingCode>([
  "flow-missing",
  "flow-extra",
  "flow-altered",
  "conjunction-without-flow",
  "conjunction-without-clause",
  "group-missing",
  "northd-lags",
  "chassis-lags",
  "port-not-up",
  "port-not-bound",
  "port-without-interface",
  "port-on-wrong-chassis",
]);

export const verifyCommand: CloudCommand = {
  usage: "[OPTIONS] [HYPERVISOR]",
  help: `Compares what is installed with what the databases ask for, everywhere or on one hypervisor.
  --json                  findings as JSON, one array
  --all                   lists every finding, however many there are of a kind

Exit code: 0 nothing is wrong, 1 something is (errors, not only warnings), 2 it could not be found out.
docs/findings.md describes every finding.
`,
  rows: [{ name: "json" }, { name: "all" }],
  async run({ host, has, words, places }) {
    if (words.length > 1) throw new UsageError("verify takes one hypervisor at most");
    const where = await places();
    let findings: readonly Finding[] = [];
    let before: TunnelCounters | undefined;
    for (let look = 1, again = true; again && look <= LOOKS; look++) {
      if (look > 1) await host.runtime.clock.sleep(before === undefined ? SETTLE : COUNTED);
      const cloud = await readCloud(where);
      try {
        const [node] = words;
        if (node !== undefined && !cloud.hypervisors.some(({ name, systemId }) => name === node || systemId === node))
          throw new UsageError(`there is no hypervisor ${node} (${cloud.hypervisors.map(({ name }) => name).join(", ")})`);
        findings = await verify(cloud, node, before);
        again = findings.some(({ code }) => TRANSIENT.has(code));
        if (before === undefined && tunnelsMayLose(cloud)) {
          before = tunnelCounters(cloud);
          again = true;
        }
      } finally {
        await cloud.close();
      }
    }
    await host.stdout.write(has("json") ? `${JSON.stringify(findings, null, 2)}\n` : formatFindings(findings, has("all")));
    return findings.some(({ code }) => FINDING_KINDS[code].severity === "error") ? 1 : 0;
  },
};
