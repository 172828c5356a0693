import { join } from "node:path";
import { expect, it } from "vitest";
import { findingsDocument } from "./document.ts";

it("docs/findings.md is the table of findings (write it anew with vitest --update)", async () => {
  await expect(findingsDocument()).toMatchFileSnapshot(join(import.meta.dirname, "../../../../docs/findings.md"));
});
