// Bundles every program into one file (esbuild); written with the programs.
