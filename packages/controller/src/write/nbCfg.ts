/** Tells northd, and whoever waits with --wait=hv, up to which configuration everything is in the switch. */
import { each } from "@weft/incremental";
import { integrationBridge } from "../model/config.ts";
import { globalOptions } from "../model/globalOptions.ts";
import { type Reported, reported, type Settings, sb, settings, vs } from "../model/inputs.ts";
import { ownPrivate } from "./chassis.ts";
import { mutateMap, type SbWrite, updateSb, type VsWrite } from "./writes.ts";

export const sbNbCfg = each<SbWrite, 0, Reported>("sbNbCfg", reported, function* (_key, { nbCfg, time }, read) {
  if (read(globalOptions, 0).get("enable_chassis_nb_cfg_update") === "false") return;
  const uuid = read(ownPrivate, 0);
  const row = uuid === undefined ? undefined : read(sb.Chassis_Private, uuid);
  if (uuid !== undefined && row !== undefined && row.nb_cfg !== nbCfg)
    yield updateSb("Chassis_Private", uuid, { nb_cfg: nbCfg, nb_cfg_timestamp: time });
});

export const bridgeNbCfg = each<VsWrite, 0, Reported>("bridgeNbCfg", reported, function* (_key, { nbCfg, time }, read) {
  const uuid = read(integrationBridge, 0);
  const row = uuid === undefined ? undefined : read(vs.Bridge, uuid);
  if (row === undefined || row.external_ids.get("ovn-nb-cfg") === String(nbCfg)) return;
  const write = mutateMap(
    "Bridge",
    row._uuid,
    "external_ids",
    row.external_ids,
    new Map([
      ["ovn-nb-cfg", String(nbCfg)],
      ["ovn-nb-cfg-ts", String(time)],
    ]),
  );
  if (write !== undefined) yield write;
});

export const startupTime = each<VsWrite, 0, Settings>("startupTime", settings, function* (_key, own, read) {
  const uuid = read(integrationBridge, 0);
  const row = uuid === undefined ? undefined : read(vs.Bridge, uuid);
  if (row === undefined) return;
  const wanted = new Map([["ovn-startup-ts", String(own.startTime)]]);
  const write = mutateMap("Bridge", row._uuid, "external_ids", row.external_ids, wanted);
  if (write !== undefined) yield write;
});
