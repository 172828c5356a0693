/** Clouds of processes for tests. */
import { afterAll, beforeAll } from "vitest";
import { linkFolder } from "./processes.ts";

export * from "./processes.ts";

/** Makes our programs in a folder, for the tests of the file that calls it. */
export function linkPrograms(): void {
  let unlink: (() => void) | undefined;
  beforeAll(() => {
    unlink = linkFolder();
  });
  afterAll(() => unlink?.());
}
