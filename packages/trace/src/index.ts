/** Where packets go in a logical network, and why: ovn-trace(8) and what goes beyond it. */
export { CT_NAMES } from "./ovnTrace/conntrack.ts";
export { type Southbound, TraceModel } from "./ovnTrace/model.ts";
export {
  ctStateProblem,
  formsOf,
  type LbDestination,
  parseCtState,
  parseLbDestination,
  parseSelectId,
  TraceUsageError,
} from "./ovnTrace/request.ts";
export { type TraceForm, type TraceRequest, traceText } from "./ovnTrace/run.ts";
export type { TraceOptions } from "./ovnTrace/trace.ts";
