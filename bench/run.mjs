// Runs the benchmarks: `npm run bench [-- NAME...]`. They are TypeScript; esbuild makes one file of them.
import { mkdtemp, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = await mkdtemp(join(here, "..", "node_modules", ".weft-bench-"));
try {
  await build({
    entryPoints: [join(here, "main.ts")],
    outfile: join(out, "bench.mjs"),
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    conditions: ["@weft/source"],
    external: ["koffi"],
    logLevel: "warning",
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  });
  await import(pathToFileURL(join(out, "bench.mjs")).href);
} finally {
  await rm(out, { recursive: true, force: true });
}
