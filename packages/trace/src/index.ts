/** Where packets go in a logical network, and why: ovn-trace(8) and what goes beyond it. */

export { type Cloud, type Hypervisor, integrationBridgeOf, readCloud } from "./cloud/cloud.ts";
export type { CloudPlaces, DatabasePlace, HypervisorPlace, KnownHost, Link, TappedFrame } from "./cloud/places.ts";
export { cookiesIn, type DetraceSources, detrace } from "./detrace/detrace.ts";
export { NorthboundRecords } from "./detrace/northbound.ts";
export { SouthboundRecords } from "./detrace/southbound.ts";
export { type Explanation, explainFlow, type FlowQuestion, parseFlowQuestion } from "./explain/explain.ts";
export { CT_NAMES } from "./ovnTrace/conntrack.ts";
export { TraceModel } from "./ovnTrace/model.ts";
export {
  ctStateProblem,
  formsOf,
  type LbDestination,
  parseCtState,
  parseLbDestination,
  parsePacketSize,
  parseSelectId,
  TraceUsageError,
} from "./ovnTrace/request.ts";
export type { Southbound } from "./ovnTrace/rows.ts";
export { type TraceForm, type TraceRequest, traceText, traceTextFetching } from "./ovnTrace/run.ts";
export type { TraceOptions } from "./ovnTrace/trace.ts";
export { type TunnelCounters, tunnelCounters, tunnelsMayLose } from "./verify/chassis.ts";
export { FINDING_KINDS, type Finding, type FindingCode, type FindingKind } from "./verify/findings.ts";
export { formatFindings } from "./verify/text.ts";
export { verify } from "./verify/verify.ts";
export { endpointOf } from "./walk/endpoint.ts";
export type { Cause, FlowStep, Leg, NearMiss, Remedy, Station, TraceReport } from "./walk/steps.ts";
export { formatReport } from "./walk/text.ts";
export { type FrameQuestion, type TraceQuestion, traceFrame, tracePacket } from "./walk/trace.ts";
export { type Counts, risenCounters } from "./watch/counters.ts";
export { watchSightings } from "./watch/sightings.ts";
