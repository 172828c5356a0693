/** OpenFlow groups and meters that actions ask for. Whoever installs the flows numbers and installs them. */
import { type Action, type Bucket, field, OFPG, OFPP, type SelectionMethod } from "@weft/openflow";
import { hashFieldName } from "./parseConntrack.ts";

/** A select group: equal requests (see {@link groupKey}) can share a group. */
export interface GroupRequest {
  readonly selection: SelectionMethod;
  readonly buckets: readonly Bucket[];
}

export type MeterRequest =
  /** A row of the Meter table. */
  | { readonly kind: "named"; readonly name: string }
  /** A drop band in kbit/s; burst in kbit, 0: none. */
  | { readonly kind: "rate"; readonly rate: number; readonly burst: number };

/** `hash_fields` of ct_lb and select: by hash over these fields; without: by the datapath's hash. */
export function selectionOf(hashFields: string | undefined, param = 0n): SelectionMethod {
  if (hashFields === undefined) return { method: "dp_hash", param, fields: [] };
  const fields = hashFields
    .split(",")
    .filter((name) => name.trim() !== "")
    .map((name) => field(hashFieldName(name)))
    .sort((a, b) => a.id - b.id)
    .map((one) => ({ field: one.id, mask: (1n << BigInt(one.bits)) - 1n }));
  return { method: "hash", param: 0n, fields };
}

export function bucket(id: number, actions: readonly Action[], weight: number, watchPort: number = OFPP.NONE): Bucket {
  return { id, weight, watchPort, watchGroup: OFPG.ANY, actions };
}

/** Equal for requests that ask for the same group, and only for those. */
export function groupKey(request: GroupRequest): string {
  return JSON.stringify(request, (key, value: unknown) =>
    typeof value === "bigint" ? value.toString() : key === "field" && isField(value) ? value.name : value,
  );
}

function isField(value: unknown): value is { readonly name: string } {
  return typeof value === "object" && value !== null && "name" in value && "codes" in value;
}
