/** Commits transactions of one database, one at a time. */
import type { TransactionResult } from "@weft/ovsdb";
import { type Coverage, type Logger, messageOf, type Runtime } from "@weft/runtime";

/** Pause after a transaction that failed (ms). */
const RETRY = 1000;

export interface CommitterOptions {
  /** For the log. */
  readonly database: string;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly coverage: Coverage;
  /** A transaction has been answered. */
  readonly wake: () => void;
}

export class Committer {
  readonly #options: CommitterOptions;
  #busy = false;

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  /** A transaction is on its way, or has failed just now. */
  get busy(): boolean {
    return this.#busy;
  }

  /** Commits a transaction that is not empty. `done` hears of its end. */
  commit(
    transaction: { readonly empty: boolean; commit(): Promise<TransactionResult> },
    done: (failed: boolean) => void = () => {},
  ): void {
    if (transaction.empty) return;
    const { database, runtime, log, coverage, wake } = this.#options;
    this.#busy = true;
    const finish = (failed: boolean): void => {
      this.#busy = false;
      done(failed);
      wake();
    };
    const fail = (): void => void runtime.clock.after(RETRY, () => finish(true));
    transaction.commit().then(
      (result) => {
        coverage.count(`txn_${result.status.replaceAll("-", "_")}`);
        if (result.status === "error")
          log.warn(`${database}: transaction failed: ${result.error}${result.details ? `: ${result.details}` : ""}`);
        if (result.status === "error" || result.status === "try-again") fail();
        else finish(false);
      },
      (error) => {
        log.warn(`${database}: ${messageOf(error)}`);
        fail();
      },
    );
  }
}
