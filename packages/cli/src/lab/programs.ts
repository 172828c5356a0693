import type { LabPrograms } from "@weft/lab";
import { openVSwitch, ovnNorthbound, ovnSouthbound } from "@weft/schemas";
import { controllerOn } from "../controller.ts";
import { programs } from "../programs.ts";
import { vswitchdOn } from "../vswitchd.ts";
import { weftOf } from "./overview.ts";

/** What a lab's machines have installed. */
export const labPrograms: LabPrograms = {
  programs,
  vswitchd: vswitchdOn,
  controller: controllerOn,
  overview: { weft: weftOf },
  files: {
    "/usr/share/ovn/ovn-nb.ovsschema": JSON.stringify(ovnNorthbound),
    "/usr/share/ovn/ovn-sb.ovsschema": JSON.stringify(ovnSouthbound),
    "/usr/share/openvswitch/vswitch.ovsschema": JSON.stringify(openVSwitch),
  },
};
