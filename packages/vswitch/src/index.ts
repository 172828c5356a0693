export { Datapath, type DatapathOptions } from "./datapath/datapath.ts";
export * from "./netdev.ts";
export { Bridge } from "./ofproto/bridge.ts";
