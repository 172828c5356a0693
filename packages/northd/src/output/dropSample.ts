/**
 * Samples of dropped packets (ovn-nb(5), NB_Global:options:debug_drop_collector_set, Sampling_App). Who asks for them gets
 * them from every flow that drops, so that they are put in where flows are written, and the features know nothing of them.
 */
import { LS_IN_APPLY_PORT_SEC, type Stage } from "../stages.ts";
import { ELSEWHERE } from "../switch/gatewayArp.ts";

const DROP = "drop;";
const DROPPED = "/* drop */";

/** The action that samples, if there are collectors. */
export function dropSample(domain: number, collectorSet: number): string | undefined {
  if (!(domain >= 0) || !(collectorSet > 0)) return undefined;
  return `sample(probability=65535,collector_set=${collectorSet},obs_domain=${domain},obs_point=$cookie); `;
}

interface Flow {
  readonly stage: Stage;
  readonly priority: number;
  readonly actions: string;
}

export function drops({ stage, priority, actions }: Flow): boolean {
  // Requests that another chassis answers are not lost.
  if (stage === LS_IN_APPLY_PORT_SEC && priority === ELSEWHERE) return false;
  // What learns the backend of a connection works on a copy of the packet.
  return actions === DROP || (actions.endsWith(DROPPED) && !actions.startsWith("commit_lb_aff"));
}

/** The actions as they are written. */
export function sampled(flow: Flow, sample: string | undefined): string {
  const { actions } = flow;
  if (sample === undefined || !drops(flow)) return actions;
  return actions === DROP ? sample + DROPPED : actions.slice(0, -DROPPED.length) + sample + DROPPED;
}

/** The other way round: the actions as a feature made them. */
export function unsampled(actions: string, sample: string | undefined): string {
  if (sample === undefined || !actions.endsWith(sample + DROPPED)) return actions;
  const before = actions.slice(0, -(sample.length + DROPPED.length));
  return before === "" ? DROP : before + DROPPED;
}
