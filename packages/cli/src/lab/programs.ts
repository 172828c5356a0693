import type { LabPrograms } from "@weft/lab";
import { WeftError } from "@weft/runtime";
import { openVSwitch, ovnNorthbound, ovnSouthbound } from "@weft/schemas";
import { programs } from "../programs.ts";

/** What a lab's machines have installed. */
export const labPrograms: LabPrograms = {
  programs,
  vswitchd: () => async () => {
    throw new WeftError("lab.no-switch", "ovs-vswitchd is not there", { blame: "us" });
  },
  files: {
    "/usr/share/ovn/ovn-nb.ovsschema": JSON.stringify(ovnNorthbound),
    "/usr/share/ovn/ovn-sb.ovsschema": JSON.stringify(ovnSouthbound),
    "/usr/share/openvswitch/vswitch.ovsschema": JSON.stringify(openVSwitch),
  },
};
