/** What a flow is for, in a sentence, with where it comes from up to the northbound row. */
import { parseFlow, TextError } from "@weft/openflow";
import { messageOf, WeftError } from "@weft/runtime";
import type { SbRow } from "@weft/schemas";
import type { Cloud } from "../cloud/cloud.ts";
import { type Origin, Provenance } from "../provenance/provenance.ts";
import { flowLine } from "../verify/canonical.ts";
import { STAGE_PURPOSES, TABLE_PURPOSES } from "./stages.ts";

/** What is asked about: a cookie, a logical flow (its uuid or the beginning), or a flow as dump-flows prints it. */
export type FlowQuestion =
  | { readonly kind: "cookie"; readonly cookie: number }
  | { readonly kind: "logical"; readonly uuid: string }
  | { readonly kind: "flow"; readonly table: number; readonly cookie: number; readonly line: string };

export interface Explanation {
  readonly sentence: string;
  readonly rows: readonly string[];
  /** Flows with this cookie, by hypervisor; for a flow given as text: none. */
  readonly installed: readonly { readonly node: string; readonly flow: string; readonly packets?: number }[];
}

/** Throws a WeftError where the text is neither. */
export function parseFlowQuestion(text: string): FlowQuestion {
  const trimmed = text.trim();
  if (/^0x[0-9a-f]{1,8}$/i.test(trimmed)) return { kind: "cookie", cookie: Number(trimmed) };
  if (/^[0-9a-f]{8}(-[0-9a-f-]*)?$/i.test(trimmed)) return { kind: "logical", uuid: trimmed.toLowerCase() };
  try {
    const { table, priority, match, actions, cookie } = parseFlow(trimmed);
    const flow = { table: table ?? 0, priority, match, actions, cookie: Number(cookie) };
    return { kind: "flow", table: flow.table, cookie: flow.cookie, line: flowLine(flow) };
  } catch (error) {
    if (!(error instanceof TextError)) throw error;
    throw new WeftError(
      "trace.question",
      `${JSON.stringify(trimmed)} is no cookie (0x1a2b3c4d), no logical flow's uuid and no flow: ${messageOf(error)}`,
      { blame: "caller" },
    );
  }
}

export function explainFlow(cloud: Cloud, question: FlowQuestion): Explanation {
  const { sb } = cloud;
  if (sb === undefined)
    throw new WeftError("trace.question", "an explanation needs the southbound database", { blame: "caller" });
  const provenance = new Provenance(sb, cloud.nb);
  if (question.kind === "logical") {
    const row = [...sb.table("Logical_Flow").rows()].find(({ _uuid }) => _uuid.startsWith(question.uuid));
    if (row === undefined)
      throw new WeftError("trace.question", `no logical flow's uuid begins with ${question.uuid}`, { blame: "caller" });
    return { ...sentenceOf(provenance.ofLogicalFlow(row)), installed: installedWith(cloud, cookieOf(row)) };
  }
  const origin = provenance.ofCookie(question.cookie);
  if (question.kind === "flow") {
    const made = origin === undefined ? withoutOrigin(question.table, question.cookie) : sentenceOf(origin, question.table);
    return { ...made, installed: [] };
  }
  if (origin === undefined)
    throw new WeftError("trace.question", `no row of the southbound database has the cookie 0x${question.cookie.toString(16)}`, {
      blame: "caller",
    });
  return { ...sentenceOf(origin), installed: installedWith(cloud, question.cookie) };
}

const cookieOf = ({ _uuid }: SbRow<"Logical_Flow">): number => Number.parseInt(_uuid.slice(0, 8), 16);

function sentenceOf(origin: Origin, table?: number): Pick<Explanation, "sentence" | "rows"> {
  const stage = origin.logicalFlow?.external_ids.get("stage-name");
  const purpose = stage === undefined ? TABLE_PURPOSES[table ?? -1] : STAGE_PURPOSES[stage];
  return { sentence: `${purpose === undefined ? "" : `It ${purpose}: `}${origin.text}`, rows: origin.rows };
}

function withoutOrigin(table: number, cookie: number): Pick<Explanation, "sentence" | "rows"> {
  const purpose = TABLE_PURPOSES[table];
  if (cookie !== 0)
    return {
      sentence: `Nobody of the southbound database has made it: no row has the cookie 0x${cookie.toString(16)}`,
      rows: [],
    };
  const told = purpose === undefined ? "" : `, which ${purpose}`;
  return { sentence: `It belongs to table ${table}${told}; ovn-controller makes it for all networks alike`, rows: [] };
}

function installedWith({ hypervisors }: Cloud, cookie: number): Explanation["installed"] {
  return hypervisors.flatMap(({ name: node, bridges }) =>
    [...bridges.values()].flatMap(({ flows }) =>
      flows
        .filter((flow) => Number(flow.cookie) === cookie)
        .map((flow) => ({
          node,
          flow: flowLine({ ...flow, cookie }),
          ...(flow.packets === undefined ? {} : { packets: Number(flow.packets) }),
        })),
    ),
  );
}
