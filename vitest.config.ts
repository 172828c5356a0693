import { defineConfig } from "vitest/config";

const conditions = ["@weft/source", "module", "node", "import", "default"];
const shared = { resolve: { conditions }, ssr: { resolve: { conditions } } };

export default defineConfig({
  test: {
    projects: [
      {
        ...shared,
        test: {
          name: "unit",
          include: ["packages/*/src/**/*.test.ts", "test/*.test.ts"],
          setupFiles: ["test/propertySeed.ts"],
          testTimeout: 20_000,
          hookTimeout: 60_000,
          pool: "threads",
        },
      },
      {
        ...shared,
        test: {
          name: "interop",
          include: ["packages/*/src/**/*.interop.ts", "test/**/*.interop.ts"],
          setupFiles: ["test/propertySeed.ts"],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
        },
      },
      {
        ...shared,
        test: { name: "openstack", include: ["test/openstack/*.openstack.ts"], testTimeout: 600_000, hookTimeout: 120_000 },
      },
    ],
  },
});
