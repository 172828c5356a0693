/** Everything that northd derives: a feature is a file, and a row here. */
import type { Each } from "@weft/incremental";
import type { Flow } from "./flow.ts";
import type { Row } from "./output/row.ts";
import { bfd } from "./router/bfd.ts";
import { routerDefaults } from "./router/defaults.ts";
import { dhcpRelay, dhcpToRelay } from "./router/dhcpRelay.ts";
import { gatewayPort } from "./router/gateway.ts";
import { commitAll, gatewayRouter } from "./router/gatewayRouter.ts";
import { ipInput } from "./router/ipInput.ts";
import { routerLbFrame, routerLoadBalancers } from "./router/loadBalancer.ts";
import { lbForceSnat } from "./router/loadBalancerSnat.ts";
import { largePackets } from "./router/mtu.ts";
import { relay } from "./router/multicast.ts";
import { nat } from "./router/nat.ts";
import { natNeighbours } from "./router/natNeighbours.ts";
import { natRoutes } from "./router/natRoutes.ts";
import { admission, delivery, learning, requests } from "./router/neighbours.ts";
import { ecmpReply, networkId } from "./router/networkId.ts";
import { policies } from "./router/policy.ts";
import { hosts, routers } from "./router/resolve.ts";
import { advertisements, delegation } from "./router/routerAdvertisement.ts";
import { connectedRoutes, routing } from "./router/routing.ts";
import { symmetricReply } from "./router/symmetricReply.ts";
import { vipAddressSets, vipAnswers, vipLookup } from "./router/vipNeighbours.ts";
import { advertisedMacs } from "./southbound/advertisedMacs.ts";
import { advertisedRoutes } from "./southbound/advertisedRoutes.ts";
import { bfdSessions } from "./southbound/bfd.ts";
import { routerDatapaths, switchDatapaths } from "./southbound/datapaths.ts";
import { gatewayGroups, haGroups, redirectBindings } from "./southbound/gateways.ts";
import {
  addressSets,
  monitorAddresses,
  multicastGroups,
  portGroupAddressSets,
  portGroups,
  routerMulticastGroups,
} from "./southbound/groups.ts";
import { loadBalancerGroups, loadBalancers } from "./southbound/loadBalancers.ts";
import { mirrorPortBindings, mirrors } from "./southbound/mirrors.ts";
import { ipMulticast } from "./southbound/multicast.ts";
import { networkFunctionMonitors } from "./southbound/networkFunctionProbes.ts";
import { nexthops } from "./southbound/nexthops.ts";
import { portMonitors, portProbes } from "./southbound/portHealth.ts";
import { routerPortBindings, switchPortBindings } from "./southbound/ports.ts";
import { probes, serviceMonitors } from "./southbound/serviceMonitors.ts";
import { aclIds, dns, meters, templateVariables } from "./southbound/services.ts";
import { staticNeighbours } from "./southbound/staticNeighbours.ts";
import { aclFrame, acls } from "./switch/acl.ts";
import { arpResponder, proxyResponder } from "./switch/arpResponder.ts";
import { switchDefaults } from "./switch/defaults.ts";
import { dhcp } from "./switch/dhcp.ts";
import { dnsFlows } from "./switch/dns.ts";
import { evpnFlows } from "./switch/evpn.ts";
import { externalPorts } from "./switch/externalPort.ts";
import { fdb } from "./switch/fdb.ts";
import { forwardingGroups } from "./switch/forwardingGroup.ts";
import { gatewayArp } from "./switch/gatewayArp.ts";
import { switchLbFrame, switchLoadBalancers } from "./switch/loadBalancer.ts";
import { flood, lookup, routerLookup } from "./switch/lookup.ts";
import { mirrorDelivery, mirrorFlows } from "./switch/mirror.ts";
import { multicast } from "./switch/multicast.ts";
import { networkFunctions } from "./switch/networkFunction.ts";
import { portSecurity, queues, vtep } from "./switch/portSecurity.ts";
import { qos } from "./switch/qos.ts";
import { routingProtocols } from "./switch/routingProtocols.ts";
import { skipConntrack } from "./switch/skipConntrack.ts";

export const flowFeatures: readonly Each<Flow>[] = [
  switchDefaults,
  portSecurity,
  vtep,
  queues,
  fdb,
  aclFrame,
  acls,
  skipConntrack,
  switchLbFrame,
  switchLoadBalancers,
  probes,
  portProbes,
  vipLookup,
  arpResponder,
  proxyResponder,
  dhcp,
  qos,
  mirrorFlows,
  mirrorDelivery,
  forwardingGroups,
  networkFunctions,
  evpnFlows,
  externalPorts,
  dnsFlows,
  lookup,
  routerLookup,
  gatewayArp,
  routingProtocols,
  flood,
  multicast,
  routerDefaults,
  admission,
  delivery,
  learning,
  requests,
  ipInput,
  relay,
  connectedRoutes,
  routing,
  policies,
  hosts,
  routers,
  routerLbFrame,
  routerLoadBalancers,
  lbForceSnat,
  vipAnswers,
  networkId,
  ecmpReply,
  gatewayPort,
  gatewayRouter,
  commitAll,
  nat,
  natNeighbours,
  natRoutes,
  largePackets,
  bfd,
  symmetricReply,
  advertisements,
  delegation,
  dhcpRelay,
  dhcpToRelay,
];

export const rowFeatures: readonly Each<Row>[] = [
  switchDatapaths,
  routerDatapaths,
  switchPortBindings,
  routerPortBindings,
  redirectBindings,
  gatewayGroups,
  haGroups,
  bfdSessions,
  staticNeighbours,
  nexthops,
  multicastGroups,
  routerMulticastGroups,
  portGroups,
  addressSets,
  portGroupAddressSets,
  monitorAddresses,
  vipAddressSets,
  loadBalancers,
  loadBalancerGroups,
  serviceMonitors,
  portMonitors,
  networkFunctionMonitors,
  advertisedMacs,
  advertisedRoutes,
  ipMulticast,
  meters,
  mirrors,
  mirrorPortBindings,
  aclIds,
  templateVariables,
  dns,
];
