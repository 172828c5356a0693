/**
 * Property tests run with one seed, so that a change is not refused for what it did not do. FC_SEED=N gives another one, and
 * FC_SEED=random a new one at each run: what it finds comes back with the seed that fast-check prints.
 */
import fc from "fast-check";

const seed = process.env["FC_SEED"];
if (seed !== "random") fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(seed ?? 1) });
