import type { Uuid } from "@weft/ovsdb";
import type { DatapathSet } from "./output/datapathSet.ts";
import type { Stage } from "./stages.ts";

/** The uuid of a Logical_Switch or Logical_Router; or those of several that have a flow alike. */
export type Datapaths = Uuid | DatapathSet;

/** A logical flow, as an evaluation yields it. */
export interface Flow {
  readonly datapath: Datapaths;
  readonly stage: Stage;
  readonly priority: number;
  readonly match: string;
  readonly actions: string;
  /** The logical port whose flow this is; a controller skips the flow where the port is not (tags:in_out_port). */
  readonly port: string | undefined;
  /** Ports are matched as the connection has them (tags:acl_ct_translation): fragments have none. */
  readonly translated: boolean;
  /** Name of the meter that limits packets to the controller. */
  readonly meter: string | undefined;
  readonly description: string | undefined;
  /** The NB row that this flow comes from; its first digits become external_ids:stage-hint. */
  readonly hint: Uuid | undefined;
}

export interface FlowOptions {
  readonly port?: string;
  readonly translated?: boolean;
  readonly meter?: string | undefined;
  readonly description?: string;
  readonly hint?: Uuid;
}

export function flow(
  datapath: Datapaths,
  stage: Stage,
  priority: number,
  match: string,
  actions: string,
  options: FlowOptions = {},
): Flow {
  return {
    datapath,
    stage,
    priority,
    match,
    actions,
    port: options.port,
    translated: options.translated === true,
    meter: options.meter,
    description: options.description,
    hint: options.hint,
  };
}

/** A text in the quotes of the logical flow language, which are those of JSON. */
export function quoted(text: string): string {
  return JSON.stringify(text);
}
