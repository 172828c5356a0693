/** dpif/show-dp-features and dpif/set-dp-features: what the datapath can do (ovs-vswitchd(8)). */
import type { ControlCommand } from "@weft/runtime";
import { bridgeNamed, type ControlContext, command, refuse } from "./context.ts";

/** Name for dpif/set-dp-features, title, and what is there: a number, or whether it is. In the order of dpif/show-dp-features. */
function features(c: ControlContext): readonly (readonly [name: string, title: string, value: number | boolean])[] {
  return [
    ["masked_set_action", "Masked set action", true],
    ["tnl_push_pop", "Tunnel push pop", true],
    ["ufid", "Ufid", true],
    ["trunc", "Truncate action", true],
    ["clone", "Clone action", true],
    ["sample_nesting", "Sample nesting", 10],
    ["ct_eventmask", "Conntrack eventmask", true],
    ["ct_clear", "Conntrack clear", true],
    ["max_hash_alg", "Max dp_hash algorithm", 1],
    ["check_pkt_len", "Check pkt length action", true],
    ["ct_timeout", "Conntrack timeout policy", true],
    ["explicit_drop_action", "Explicit Drop action", true],
    ["lb_output_action", "Optimized Balance TCP mode", true],
    ["ct_zero_snat", "Conntrack all-zero IP SNAT", true],
    ["add_mpls", "MPLS Label add", true],
    ["psample", "psample action", false],
    ["max_vlan_headers", "Max VLAN headers", c.datapath.vlanHeaders],
    ["max_mpls_depth", "Max MPLS depth", 3],
    ["recirc", "Recirc", true],
    ["ct_state", "CT state", true],
    ["ct_zone", "CT zone", true],
    ["ct_mark", "CT mark", true],
    ["ct_label", "CT label", true],
    ["ct_state_nat", "CT state NAT", true],
    ["ct_orig_tuple", "CT orig tuple", true],
    ["ct_orig_tuple6", "CT orig tuple for IPv6", true],
    ["nd_ext", "IPv6 ND Extension", true],
  ];
}

/** What there is stays: a value that it has already is taken, and another one refused. */
function setFeature(c: ControlContext, args: readonly string[]): string {
  const [bridge, name, wanted] = args[0] === "--force" ? args.slice(1) : args;
  bridgeNamed(c, bridge);
  const known = features(c);
  const line = ([key, title, value]: (typeof known)[number]): string =>
    `${key} (${title}) : [run time]:${value}, [boot time]:${value}`;
  if (name === undefined) return known.map(line).join("\n");
  const feature = known.find(([key]) => key === name);
  if (feature === undefined) return "Unexpected support field";
  if (wanted === undefined) return line(feature);
  const value = feature[2];
  if (typeof value === "boolean") {
    if (wanted !== "true" && wanted !== "false") return "Boolean value expected";
    if (wanted === "true" && !value) return "Can not enable features not supported by the datapath";
  } else {
    if (!/^\d+$/.test(wanted)) return "Integer number expected";
    if (Number(wanted) > value) return "Can not set value beyond the datapath capability";
  }
  if (wanted !== String(value)) throw refuse("features of this datapath cannot be switched off");
  return "";
}

export function featureCommands(c: ControlContext): ControlCommand[] {
  return [
    command("dpif/show-dp-features", "bridge", 1, 1, ([name]) => {
      bridgeNamed(c, name);
      const text = (value: number | boolean): string => (typeof value === "number" ? String(value) : value ? "Yes" : "No");
      return features(c)
        .map(([, title, value]) => `${title}: ${text(value)}`)
        .join("\n");
    }),
    command("dpif/set-dp-features", "[--force] bridge [feature [value]]", 1, 4, (args) => setFeature(c, args)),
  ];
}
