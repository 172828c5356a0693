// Bundles the programs with esbuild: one small entry, and a chunk for what a program alone needs, so that a command
// starts fast and loads nothing that it does not use.
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "dist", "bundle");
await rm(out, { recursive: true, force: true });
await build({
  entryPoints: [
    { in: join(here, "src", "main.ts"), out: "main" },
    { in: join(here, "src", "lab", "shim.ts"), out: "shim" },
  ],
  outdir: out,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  conditions: ["@weft/source"],
  external: ["koffi"],
  sourcemap: true,
  sourcesContent: false,
  minifySyntax: true,
  minifyWhitespace: true,
  logLevel: "warning",
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
});
