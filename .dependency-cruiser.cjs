/* The import rule: which package may import which. The table is ARCHITECTURE.md's. */
const below = {
  runtime: [],
  packet: ["runtime"],
  ovsdb: ["runtime"],
  schemas: ["ovsdb"],
  openflow: ["runtime", "packet"],
  logical: ["runtime", "packet", "openflow"],
  incremental: [],
  northd: ["runtime", "packet", "ovsdb", "schemas", "incremental", "openflow", "logical"],
  controller: ["runtime", "packet", "ovsdb", "schemas", "incremental", "openflow", "logical"],
  vswitch: ["runtime", "packet", "ovsdb", "schemas", "openflow"],
  trace: ["runtime", "packet", "ovsdb", "schemas", "incremental", "openflow", "logical", "northd", "controller", "vswitch"],
  lab: [
    "runtime",
    "packet",
    "ovsdb",
    "schemas",
    "incremental",
    "openflow",
    "logical",
    "northd",
    "controller",
    "vswitch",
    "trace",
  ],
  cli: [
    "runtime",
    "packet",
    "ovsdb",
    "schemas",
    "incremental",
    "openflow",
    "logical",
    "northd",
    "controller",
    "vswitch",
    "trace",
    "lab",
  ],
};

const rules = Object.entries(below).map(([name, allowed]) => ({
  name: `${name}-imports-only-what-is-below-it`,
  severity: "error",
  from: { path: `^packages/${name}/` },
  to: { path: "^packages/", pathNot: `^packages/(${[name, ...allowed].join("|")})/` },
}));

module.exports = {
  forbidden: [
    ...rules,
    {
      name: "packages-meet-at-index",
      comment: "A package is imported through its index.ts (or package.json exports) only.",
      severity: "error",
      from: { path: "^packages/([^/]+)/" },
      to: { path: "^packages/([^/]+)/src/", pathNot: ["^packages/$1/", "^packages/[^/]+/src/(index|node|browser)\\.ts$"] },
    },
    { name: "not-to-unresolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    parser: "swc",
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)(dist|node_modules)/" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["@weft/source", "import", "node", "default"] },
    tsPreCompilationDeps: true,
  },
};
