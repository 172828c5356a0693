/**
 * What the databases should say as a whole: our chassis, tunnels, patch ports, queues, mirrors, and what of the Southbound we want to see.
 * One evaluation, so that the engine tells when any of it has changed.
 */
import { each, sameContent } from "@weft/incremental";
import { type Settings, settings } from "../model/inputs.ts";
import { type DesiredChassis, desiredChassis, ownPrivate } from "./chassis.ts";
import { type Conditions, conditionsOf } from "./conditions.ts";
import { type Pair, wantedPatches } from "./local.ts";
import { type WantedMirror, wantedMirrors } from "./mirrors.ts";
import { type WantedQueues, wantedQueues } from "./queues.ts";
import { type WantedTunnel, wantedTunnels } from "./tunnels.ts";

export interface Plan {
  readonly chassis: DesiredChassis | undefined;
  readonly tunnels: ReadonlyMap<string, WantedTunnel>;
  readonly patches: readonly Pair[];
  readonly queues: WantedQueues;
  readonly mirrors: ReadonlyMap<string, WantedMirror>;
  readonly conditions: Conditions;
}

export const plans = each<Plan, 0, Settings>("plans", settings, function* (_key, _settings, read) {
  read(ownPrivate, 0);
  yield {
    chassis: read(desiredChassis, 0),
    tunnels: wantedTunnels(read),
    patches: wantedPatches(read),
    queues: wantedQueues(read),
    mirrors: wantedMirrors(read),
    conditions: conditionsOf(read),
  };
});

/** Holds the current plan. */
export class PlanBook {
  #plan: Plan | undefined;
  #changed = false;

  readonly sink = {
    add: (plan: Plan): void => {
      if (this.#plan === undefined || !sameContent(this.#plan, plan)) this.#changed = true;
      this.#plan = plan;
    },
    remove: (): void => {},
  };

  get plan(): Plan | undefined {
    return this.#plan;
  }

  /** Whether the plan is another one than at the last call. */
  takeChanged(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    return changed;
  }
}
