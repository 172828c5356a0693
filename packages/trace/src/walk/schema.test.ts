import { join } from "node:path";
import { expect, it } from "vitest";
import { z } from "zod";
import { traceReport } from "./schema.ts";

it("docs/trace.schema.json is the schema of a report (write it anew with vitest --update)", async () => {
  const text = `${JSON.stringify(z.toJSONSchema(traceReport), null, 2)}\n`;
  await expect(text).toMatchFileSnapshot(join(import.meta.dirname, "../../../../docs/trace.schema.json"));
});
