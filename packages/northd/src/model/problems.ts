/** What is wrong with the configuration, to be logged. */
import { each } from "@weft/incremental";
import { policyHops } from "../router/policy.ts";
import { staticRoutes } from "../router/routing.ts";
import { nb } from "./nb.ts";

export const routerProblems = each("northd/routerProblems", nb.Logical_Router, function* (uuid, _row, read): Iterable<string> {
  yield* read(staticRoutes, uuid).problems;
  for (const { problems } of read(policyHops, uuid).values()) yield* problems;
});
