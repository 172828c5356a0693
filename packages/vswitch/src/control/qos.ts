/** qos/...: rates of ports (ovs-vswitchd(8)). */
import type { ControlCommand } from "@weft/runtime";
import { QOS_TYPES } from "../qos/config.ts";
import type { Egress } from "../qos/egress.ts";
import type { HtbQueueConfig, QueueCounters } from "../qos/htb.ts";
import { type ControlContext, command, refuse } from "./context.ts";

function queueText(id: number, type: string, queue: HtbQueueConfig, counters: Readonly<QueueCounters>): string {
  const htb = type === "linux-htb";
  return [
    id === 0 ? "Default:" : `Queue ${id}:`,
    ...(htb ? [`  burst: ${queue.burst}`] : []),
    ...(htb && queue.priority !== 0 ? [`  priority: ${queue.priority}`] : []),
    `  min-rate: ${queue.minRate}`,
    ...(queue.maxRate > queue.minRate ? [`  max-rate: ${queue.maxRate}`] : []),
    `  tx_packets: ${counters.txPackets}`,
    `  tx_bytes: ${counters.txBytes}`,
    `  tx_errors: ${counters.txErrors}`,
    "",
  ].join("\n");
}

function show(name: string, egress: Egress): string {
  const { config } = egress;
  if (config.type === "egress-policer") return `QoS: ${name} ${config.type}\ncir: ${config.cir}\ncbs: ${config.cbs}`;
  const queues = egress.queues().map(([id, counters]) => {
    const queue = config.htb.queues.get(id);
    return queue === undefined ? "" : queueText(id, config.type, queue, counters);
  });
  return [`QoS: ${name} ${config.type}`, `max-rate: ${config.htb.maxRate}`, "", ...queues].join("\n").trimEnd();
}

export function qosCommands(c: ControlContext): ControlCommand[] {
  /** The datapath's port; undefined: the interface has no device. Throws where there is no such interface. */
  const deviceOf = (name: string) => {
    const port = [...c.datapath.bridges.values()]
      .map((bridge) => bridge.portsByName.get(name))
      .find((each) => each !== undefined);
    if (port === undefined) throw refuse("no such interface");
    return port.netdev === undefined || port.dpPort === undefined ? undefined : c.datapath.ports.get(port.dpPort);
  };
  return [
    command("qos/show", "interface", 1, 1, ([name = ""]) => {
      const egress = deviceOf(name)?.egress;
      return egress === undefined ? `QoS not configured on ${name}` : show(name, egress);
    }),
    command("qos/show-types", "interface", 1, 1, ([name = ""]) =>
      deviceOf(name) === undefined
        ? `No QoS types supported for interface: ${name}`
        : QOS_TYPES.map((type) => `QoS type: ${type}`).join("\n"),
    ),
  ];
}
