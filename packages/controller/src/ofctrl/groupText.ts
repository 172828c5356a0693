/** A group as group-table-list shows it. */
import type { GroupRequest } from "@weft/logical";
import { formatActions } from "@weft/openflow";

export function formatGroup({ selection, buckets }: GroupRequest): string {
  const method = selection.method === "" ? "" : `,selection_method=${selection.method}`;
  const each = buckets.map((one) => `,bucket=bucket_id=${one.id},weight:${one.weight},actions=${formatActions(one.actions)}`);
  return `type=select${method}${each.join("")}`;
}
