/** Samples of what ACLs decide (ovn-nb(5), Sample; ovn-northd(8), the ACL sample tables). */
import { derive, index, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { NbRow } from "@weft/schemas";
import { type Flow, flow } from "../flow.ts";
import { chassisFeature } from "../model/chassis.ts";
import { nb } from "../model/nb.ts";
import type { DatapathSet } from "../output/datapathSet.ts";
import * as s from "../stages.ts";
import type { AclPlace } from "./aclModel.ts";

type Acl = NbRow<"ACL">;
type Collector = NbRow<"Sample_Collector">;

const sampleStage: Readonly<Record<AclPlace, s.Stage>> = {
  ingress: s.LS_IN_ACL_SAMPLE,
  afterLb: s.LS_IN_ACL_AFTER_LB_SAMPLE,
  egress: s.LS_OUT_ACL_SAMPLE,
};

/** What reg8[19..20] and ct_mark.obs_stage call the evaluation. */
const observed: Readonly<Record<AclPlace, number>> = { ingress: 0, afterLb: 1, egress: 2 };

interface Sample {
  readonly metadata: number;
  readonly collectors: readonly Collector[];
}

const sampleOf = derive("sample", (uuid: Uuid, read): Sample | undefined => {
  const row = read(nb.Sample, uuid);
  if (row === undefined) return undefined;
  return { metadata: row.metadata, collectors: row.collectors.flatMap((id) => read(nb.Sample_Collector, id) ?? []) };
});

const appsByType = index("samplingAppsByType", nb.Sampling_App, (app) => [app.type]);

function appId(type: "acl-new" | "acl-est", read: Read): number {
  const uuid = read(appsByType, type)[0];
  return (uuid === undefined ? undefined : read(nb.Sampling_App, uuid)?.id) ?? 0;
}

/** A sample with one collector shares its flow with all samples of that collector: registers tell which it is. */
function shared(sample: Sample | undefined): number {
  return sample?.collectors.length === 1 ? sample.collectors[0]!.id : 0;
}

/** The metadata of the sample of established connections: what a blocked one is marked with. */
export function establishedPoint(acl: Acl, read: Read): number {
  return acl.sample_est === undefined ? 0 : (read(sampleOf, acl.sample_est)?.metadata ?? 0);
}

/** Tells the later stages what to sample and what to label the connection with. */
export function observe(acl: Acl, place: AclPlace, commits: boolean, read: Read): string {
  const fresh = acl.sample_new === undefined ? undefined : read(sampleOf, acl.sample_new);
  const established = !commits || acl.sample_est === undefined ? undefined : read(sampleOf, acl.sample_est);
  const registers = (points: readonly [number, number], collectors: readonly [number, number]) =>
    `reg0[13] = 1; reg3 = ${points[0]}; reg9 = ${points[1]}; reg8[0..7] = ${collectors[0]}; ` +
    `reg8[8..15] = ${collectors[1]}; reg8[19..20] = ${observed[place]}; `;
  if (acl.label !== 0) return registers([acl.label, acl.label], [0, 0]);
  if (fresh === undefined && established === undefined) return "";
  return registers([fresh?.metadata ?? 0, established?.metadata ?? 0], [shared(fresh), shared(established)]);
}

/** The flows that sample. `tracked`: the ACL is evaluated by what the connection tracker says. */
export function* sampleFlows(switches: DatapathSet, acl: Acl, place: AclPlace, tracked: boolean, read: Read): Iterable<Flow> {
  const fresh = acl.sample_new === undefined ? undefined : read(sampleOf, acl.sample_new);
  if (fresh === undefined && acl.action !== "allow-related") return;
  const established = acl.sample_est === undefined ? undefined : read(sampleOf, acl.sample_est);
  const make = (stage: s.Stage, priority: number, match: string, actions: string): Flow =>
    flow(switches, stage, priority, match, actions, { hint: acl._uuid });
  const { label } = acl;
  if (fresh !== undefined) {
    const which = !tracked ? "ip" : place === "egress" ? "ip && (ct.new || !ct.trk)" : "ip && ct.new";
    const id = shared(fresh);
    const stage = sampleStage[place];
    if (id !== 0) {
      const match = `${which} && reg8[0..7] == ${id} && reg8[19..20] == ${observed[place]}`;
      yield make(stage, tracked ? 1000 : 900, match, sample(fresh.collectors, appId("acl-new", read), "reg3"));
    } else {
      const point = label === 0 ? fresh.metadata : label;
      yield make(stage, 1100, `${which} && reg3 == ${point}`, several(fresh, label, appId("acl-new", read)));
    }
  }
  if (!tracked || established === undefined) return;
  const replies = place === "egress" ? s.LS_IN_ACL_SAMPLE : s.LS_OUT_ACL_SAMPLE;
  const unsampled = "flags.pkt_sampled == 0 && ip && ct.trk && (ct.est || ct.rel)";
  const id = read(chassisFeature, "sample_with_reg") ? shared(established) : 0;
  const app = appId("acl-est", read);
  if (id !== 0) {
    const actions = sample(established.collectors, app, "ct_label.obs_point_id");
    const base = `${unsampled} && ct_label.obs_unused == 0`;
    const collector = `ct_mark.obs_collector_id == ${id}`;
    const own = `${base} && !ct.rpl && ${collector} && ct_mark.obs_stage == ${observed[place]}`;
    yield make(sampleStage[place], 1000, own, actions);
    yield make(replies, 1000, `${base} && ct.rpl && ${collector}`, actions);
    return;
  }
  const point = label === 0 ? established.metadata : label;
  const actions = several(established, label, app);
  const labelled = `ct_label.obs_point_id == ${point} && ct_label.obs_unused == 0`;
  yield make(sampleStage[place], 1200, `${unsampled} && !ct.rpl && ${labelled}`, actions);
  yield make(replies, 1200, `${unsampled} && ct.rpl && ${labelled}`, actions);
}

/** Without an application the flow drops (the reference's has no actions), without collectors it does nothing; a label stands for itself in every application. */
function several({ collectors, metadata }: Sample, label: number, app: number): string {
  if (app === 0) return "";
  if (collectors.length === 0) return " next;";
  return label === 0 ? sample(collectors, app, String(metadata)) : sample(collectors, 0, String(label));
}

function sample(collectors: readonly Collector[], domain: number, point: string): string {
  const each = collectors.map(
    ({ probability, set_id }) =>
      `sample(probability=${probability},collector_set=${set_id},obs_domain=${domain},obs_point=${point});`,
  );
  return `flags.pkt_sampled = 1; ${each.join("")} next;`;
}
