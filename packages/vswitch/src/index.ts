export { type TraceRequest, trace, traceCommand } from "./control/trace.ts";
export { Datapath, type DatapathOptions, type DpPort } from "./datapath/datapath.ts";
export { type MemoryBridge, type MemoryPort, MemorySwitch, type OnSend } from "./memory.ts";
export * from "./netdev.ts";
export { Bridge } from "./ofproto/bridge.ts";
export { FlowMods, type FlowSelection, selectFlows } from "./ofproto/flow-mods.ts";
export type { Bundle, OfPort, TunnelConfig } from "./ofproto/port.ts";
export { Rule } from "./ofproto/rule.ts";
