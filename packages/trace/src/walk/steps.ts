/** The way of a packet through a cloud, station by station: see schema.ts, which says what each member means. */
import type { z } from "zod";
import type * as schema from "./schema.ts";

export type NearMiss = z.infer<typeof schema.nearMiss>;
export type FlowStep = z.infer<typeof schema.flowStep>;
export type Station = z.infer<typeof schema.station>;
export type Remedy = z.infer<typeof schema.remedy>;
export type Cause = z.infer<typeof schema.cause>;
export type Leg = z.infer<typeof schema.leg>;
export type TraceReport = z.infer<typeof schema.traceReport>;
