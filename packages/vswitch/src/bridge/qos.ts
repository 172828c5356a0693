/** Rates of ports: what rows of QoS and Queue, and the policing columns of Interface, make of the datapath's ports. */
import type { Replica } from "@weft/ovsdb";
import type { Runtime } from "@weft/runtime";
import type { VsSchema } from "@weft/schemas";
import type { Datapath } from "../datapath/datapath.ts";
import type { DpPort } from "../datapath/dp-port.ts";
import { type QosConfig, qosConfigOf, queueDscpOf } from "../qos/config.ts";
import { createEgress } from "../qos/egress.ts";
import { IngressPolicer, type IngressPolicing } from "../qos/policer.ts";
import type { BridgeRow, InterfaceRow } from "./desired.ts";
import type { ManagedBridge } from "./managed.ts";

interface QosContext {
  readonly db: Replica<VsSchema>;
  readonly datapath: Datapath;
  readonly runtime: Runtime;
}

/** Every device of a bridge gets the QoS of its port and the policing of its interface; a port's devices each the whole. */
export function configureQos(c: QosContext, held: ManagedBridge, row: BridgeRow): void {
  for (const portUuid of row.ports) {
    const portRow = c.db.table("Port").get(portUuid);
    for (const uuid of portRow?.interfaces ?? []) {
      const ifaceRow = c.db.table("Interface").get(uuid);
      const port = ifaceRow === undefined ? undefined : held.interfaces.get(ifaceRow.name)?.port;
      if (portRow === undefined || ifaceRow === undefined || port === undefined) continue;
      port.queueDscp = queueDscpOf(c.db, portRow);
      const dpPort = port.netdev === undefined || port.dpPort === undefined ? undefined : c.datapath.ports.get(port.dpPort);
      if (dpPort === undefined) continue;
      shape(c, dpPort, qosConfigOf(c.db, portRow, port.netdev?.speed));
      police(c, dpPort, ifaceRow);
    }
  }
}

function shape({ runtime }: QosContext, port: DpPort, config: QosConfig | undefined): void {
  if (config !== undefined && port.egress?.configure(config) === true) return;
  port.egress?.close();
  port.egress = undefined;
  if (config === undefined || port.netdev === undefined) return;
  port.drops ??= { rx: 0, tx: 0 };
  port.egress = createEgress(config, port.netdev, port.drops, runtime.clock);
}

function police({ datapath }: QosContext, port: DpPort, row: InterfaceRow): void {
  const wanted: IngressPolicing = {
    rate: Number(row.ingress_policing_rate),
    burst: Number(row.ingress_policing_burst),
    kpktsRate: Number(row.ingress_policing_kpkts_rate),
    kpktsBurst: Number(row.ingress_policing_kpkts_burst),
  };
  if (wanted.rate <= 0 && wanted.kpktsRate <= 0) {
    if (port.policer !== undefined) datapath.police(port, undefined);
    return;
  }
  if (port.policer !== undefined && samePolicing(port.policer.config, wanted)) return;
  port.drops ??= { rx: 0, tx: 0 };
  datapath.police(port, new IngressPolicer(wanted, port.drops, datapath.now()));
}

const samePolicing = (a: IngressPolicing, b: IngressPolicing): boolean =>
  a.rate === b.rate && a.burst === b.burst && a.kpktsRate === b.kpktsRate && a.kpktsBurst === b.kpktsBurst;
