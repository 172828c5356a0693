// Writes docs/features.md (npm run features).
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { featuresPage } from "./dist/support/page.js";

writeFileSync(fileURLToPath(new URL("../../docs/features.md", import.meta.url)), featuresPage());
