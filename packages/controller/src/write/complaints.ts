/** What is wrong with the configuration in the local database, for the log. */
import { each } from "@weft/incremental";
import { config, mappings, openVSwitchUuid, optionOf, udpPorts } from "../model/config.ts";
import { type Settings, settings, vs } from "../model/inputs.ts";
import { bfdPeers } from "./tunnels.ts";

export const complaints = each<string, 0, Settings>("complaints", settings, function* (_key, _settings, read) {
  const own = read(config, 0);
  const uuid = openVSwitchUuid(read);
  const ids = uuid === undefined ? undefined : read(vs.Open_vSwitch, uuid)?.external_ids;
  if (own === undefined || ids === undefined) return;
  const bridges = optionOf(ids, own.chassis, "ovn-bridge-mappings") ?? "";
  if (!mappings(bridges).valid) yield `Invalid ovn-bridge-mappings configuration: '${bridges}'`;
  for (const word of udpPorts(optionOf(ids, own.chassis, "ovn-evpn-vxlan-ports")).others)
    yield `Invalid ovn-evpn-vxlan-ports configuration: '${word}' is no UDP port`;
  if (own.encap.flowBased && bfdPeers(read).size > 0)
    yield "Flow-based tunnels are enabled, and BFD does not watch them: ports of HA groups with several chassis do not work.";
});
