/** ovn-controller: Southbound and local databases to OpenFlow on the integration bridge. */
export { Core, type CoreOptions } from "./core.ts";
