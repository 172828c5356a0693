import type { Program } from "@weft/runtime";

/** Every program, by the name of the original that it stands in for. Loaded when it is run. */
export const programs: Readonly<Record<string, () => Promise<Program>>> = {
  "ovn-appctl": async () => (await import("./appctl.ts")).ovnAppctl,
  "ovn-controller": async () => (await import("./controller.ts")).controller,
  "ovn-detrace": async () => (await import("./detrace.ts")).ovnDetrace,
  "ovn-nbctl": async () => (await import("./ctl/nbctl.ts")).ovnNbctl,
  "ovn-northd": async () => (await import("./northd.ts")).northd,
  "ovn-sbctl": async () => (await import("./ctl/sbctl.ts")).ovnSbctl,
  "ovn-trace": async () => (await import("./trace.ts")).ovnTrace,
  "ovs-appctl": async () => (await import("./appctl.ts")).ovsAppctl,
  "ovs-ofctl": async () => (await import("./ofctl/main.ts")).ofctl,
  "ovs-pcap": async () => (await import("./packets/pcap.ts")).ovsPcap,
  "ovs-tcpundump": async () => (await import("./packets/tcpundump.ts")).ovsTcpundump,
  "ovs-vsctl": async () => (await import("./ctl/vsctl.ts")).ovsVsctl,
  "ovs-vswitchd": async () => (await import("./vswitchd.ts")).vswitchd,
  "ovsdb-client": async () => (await import("./ovsdb/client.ts")).ovsdbClient,
  "ovsdb-server": async () => (await import("./ovsdb/server.ts")).ovsdbServer,
  "ovsdb-tool": async () => (await import("./ovsdb/tool.ts")).ovsdbTool,
};
