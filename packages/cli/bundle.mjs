// Bundles the programs with esbuild: one small entry, and a chunk for what a program alone needs, so that a command
// starts fast and loads nothing that it does not use.
import { rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const bundle = join(here, "dist", "bundle");
// Built beside the old one, which programs that start meanwhile go on using.
const out = `${bundle}.${process.pid}`;
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
const old = `${out}.old`;
await rename(bundle, old).catch((error) => {
  if (error.code !== "ENOENT") throw error;
});
await rename(out, bundle);
await rm(old, { recursive: true, force: true });
