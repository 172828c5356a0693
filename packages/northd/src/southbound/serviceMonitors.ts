/** Service_Monitor: the backends that chassis probe, one row for each, whichever load balancers ask (ovn-nb(5), "Health Checks"). */
import { derive, each, type Read, relation, sameContent } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import { type Flow, flow } from "../flow.ts";
import { checkOf, placementOf, portOf, serviceKey, serviceStatus } from "../model/backends.ts";
import { routersOf } from "../model/balancers.ts";
import { metered } from "../model/copp.ts";
import { globals } from "../model/globals.ts";
import { loadBalancer, type Protocol } from "../model/loadBalancer.ts";
import { nb, portChassis, portUp } from "../model/nb.ts";
import { type RouterPort, routerPort } from "../model/routerPort.ts";
import { routerPortsOfSwitch, type SwitchPort } from "../model/switchPort.ts";
import { type Row, row } from "../output/row.ts";
import { LS_IN_ARP_RSP, LS_IN_L2_LKUP } from "../stages.ts";
import { arpReply } from "../switch/arpResponder.ts";

interface Service {
  readonly key: string;
  /** The load balancer that asks for it. */
  readonly lb: Uuid;
  readonly protocol: Protocol;
  readonly family: 4 | 6;
  readonly ip: string;
  readonly number: number;
  readonly portName: string;
  /** The port, unless it is in another availability zone. */
  readonly port: SwitchPort | undefined;
  readonly sourceIp: string;
  /** The port of a router with the load balancer whose address is the source. */
  readonly router: RouterPort | undefined;
  readonly options: ReadonlyMap<string, string>;
}

const servicesOf = derive(
  "servicesOfLoadBalancer",
  (uuid: Uuid, read): readonly Service[] => {
    const lb = read(loadBalancer, uuid);
    const lbRow = read(nb.Load_Balancer, uuid);
    if (lb === undefined || lbRow === undefined || lb.template) return [];
    const services = new Map<string, Service>();
    for (const vip of lb.vips) {
      const check = checkOf(lbRow, vip, read);
      if (check === undefined) continue;
      for (const { family, address: ip, port: given } of vip.backends) {
        const number = Number(given ?? 0);
        const placement = placementOf({ family, address: ip, port: number }, lbRow.ip_port_mappings);
        if (placement?.sourceIp === undefined) continue;
        const { portName, sourceIp, zone } = placement;
        const port = zone === undefined ? portOf(placement, read) : undefined;
        if (zone === undefined && port === undefined) continue;
        const key = serviceKey(portName, ip, number, lb.protocol);
        const router = port === undefined ? undefined : routerWith(uuid, port, sourceIp, read);
        const options = zone === undefined ? check.options : new Map([...check.options, ["az-name", zone]]);
        services.set(key, {
          key,
          lb: uuid,
          protocol: lb.protocol,
          family,
          ip,
          number,
          portName,
          port: portOf(placement, read),
          sourceIp,
          router,
          options,
        });
      }
    }
    return [...services.values()];
  },
  { equals: sameContent },
);

function routerWith(lb: Uuid, port: SwitchPort, sourceIp: string, read: Read): RouterPort | undefined {
  const routers = read(routersOf, lb).members;
  for (const uuid of read(routerPortsOfSwitch, port.datapath)) {
    const candidate = read(routerPort, uuid as Uuid);
    if (candidate === undefined || !routers.includes(candidate.datapath)) continue;
    const { ip4, ip6 } = candidate.address;
    if ([...ip4, ...ip6].some(({ text }) => text === sourceIp)) return candidate;
  }
  return undefined;
}

const askersOf = relation("askersOfService", nb.Load_Balancer, (uuid, _row, read) =>
  read(servicesOf, uuid).map(({ key }) => key),
);

/** Which chassis probes a port. */
export function placed(port: SwitchPort, key: string, read: Read) {
  const chassis = read(portChassis, port.uuid);
  // A port that is gone from its chassis cannot answer any more, and nobody probes it.
  const lost = read(portUp, port.uuid) !== true && read(serviceStatus, key) === "online";
  return { ...(chassis === undefined ? {} : { chassis_name: chassis }), ...(lost ? { status: "offline" } : {}) };
}

/** Answers for an address that probes come from, and nobody has. */
export function probeAnswer(datapath: Uuid, family: 4 | 6, sourceIp: string, hint: Uuid, read: Read): Flow {
  const mac = read(globals, "").svcMonitorMac ?? "";
  if (family === 4) {
    return flow(datapath, LS_IN_ARP_RSP, 110, `arp.tpa == ${sourceIp} && arp.op == 1`, arpReply(mac, sourceIp), { hint });
  }
  const actions =
    `nd_na { eth.dst = eth.src; eth.src = ${mac}; ip6.src = ${sourceIp}; nd.target = ${sourceIp}; nd.tll = ${mac}; ` +
    "outport = inport; flags.loopback = 1; output; };";
  return flow(datapath, LS_IN_ARP_RSP, 110, `nd_ns && nd.target == ${sourceIp}`, actions, { hint });
}

export const serviceMonitors = each("northd/serviceMonitors", askersOf, function* (key, lbs, read): Iterable<Row> {
  const service = read(servicesOf, lbs[0] as Uuid).find((other) => other.key === key);
  const port = service?.port;
  if (service === undefined || (port?.enabled === false && !service.options.has("az-name"))) return;
  yield row(
    "Service_Monitor",
    key,
    {
      type: "load-balancer",
      ip: service.ip,
      protocol: service.protocol,
      port: service.number,
      logical_port: service.portName,
      src_mac: service.router?.address.macText ?? read(globals, "").svcMonitorMac ?? "",
      src_ip: service.sourceIp,
      options: service.options,
      ...(port === undefined ? {} : placed(port, key, read)),
    },
    { remote: service.options.has("az-name") },
  );
});

export const probes = each("switch/probes", nb.Load_Balancer, function* (uuid, _row, read): Iterable<Flow> {
  for (const service of read(servicesOf, uuid)) {
    if (service.port === undefined) continue;
    const { datapath } = service.port;
    const own = { hint: uuid };
    const { family, sourceIp, router } = service;
    if (router !== undefined) {
      const answer =
        `inport == ${service.port.json} && ip${family}.dst == ${sourceIp} && ip${family}.src == ${service.ip} && ` +
        `eth.dst == ${router.address.macText} && ${service.protocol}.src == ${service.number}`;
      yield flow(datapath, LS_IN_L2_LKUP, 110, answer, "handle_svc_check(inport);", {
        ...own,
        ...metered(datapath, "svc-monitor", read),
      });
    } else yield probeAnswer(datapath, family, sourceIp, uuid, read);
  }
});
