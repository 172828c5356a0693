/** ovn-controller: Southbound and local databases to OpenFlow on the integration bridge. */
export { createController, localMonitor } from "./controller.ts";
export { Core, type CoreOptions } from "./core.ts";
export { dialSwitch } from "./ofctrl/dial.ts";
export type { Dial, Link, LinkHandlers } from "./ofctrl/link.ts";
export type { DesiredFlow } from "./physical/flow.ts";
export type { Neighbour } from "./pinctrl/buffered.ts";
export type { LearnedAddress } from "./pinctrl/macBindings.ts";
export { createResponder, type PacketResponder } from "./pinctrl/responder.ts";
export type { Controller, ControllerOptions, SouthboundOptions } from "./types.ts";
