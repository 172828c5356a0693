/**
 * Standalone bridges whose controllers are gone (ovs-vswitchd.conf.db(5), Bridge fail_mode): when none has been heard of for
 * three times the inactivity probe, the switch forgets their flows and forwards by itself until one is back.
 */
import { Match, OFPP } from "@weft/openflow";
import type { Logger, Runtime } from "@weft/runtime";
import { keyMatch } from "../flow/key.ts";
import type { Bridge } from "../ofproto/bridge.ts";
import type { FlowMods } from "../ofproto/flow-mods.ts";
import { Rule } from "../ofproto/rule.ts";

/** Above what any controller can set. */
const FAIL_OPEN_PRIORITY = 0xf0f0f0;

export class FailOpen {
  readonly #bridge: Bridge;
  readonly #mods: FlowMods;
  readonly #clock: Runtime["clock"];
  readonly #log: Logger;
  #rule: Rule | undefined;
  #timer: { cancel(): void } | undefined;

  constructor(bridge: Bridge, mods: FlowMods, runtime: Runtime) {
    this.#bridge = bridge;
    this.#mods = mods;
    this.#clock = runtime.clock;
    this.#log = runtime.log.logger("fail_open");
  }

  /** `at`: monotonic ms when to take over, undefined while a controller is there. `heard`: of the last message of one. */
  follow(at: number | undefined, heard: number): void {
    this.close();
    if (at === undefined) this.#recover();
    else if (this.#rule === undefined)
      this.#timer = this.#clock.after(Math.max(0, at - this.#clock.now()), () => this.#open(heard), true);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #open(heard: number): void {
    const seconds = Math.floor((this.#clock.now() - heard) / 1000);
    this.#log.warn(
      `Could not connect to controller (or switch failed controller's post-connection admission control policy) for ${seconds} seconds, failing open`,
    );
    this.#mods.removeWhere((rule) => rule.priority <= 0xffff, "delete");
    this.#rule = new Rule({
      table: 0,
      priority: FAIL_OPEN_PRIORITY,
      match: Match.ANY,
      key: keyMatch(Match.ANY),
      cookie: 0n,
      actions: [{ type: "output", port: OFPP.NORMAL }],
      idleTimeout: 0,
      hardTimeout: 0,
      flags: 0,
      importance: 0,
      now: this.#bridge.datapath.now(),
    });
    this.#bridge.tables[0]?.classifier.insert(this.#rule);
    this.#bridge.changed();
  }

  #recover(): void {
    if (this.#rule === undefined) return;
    this.#log.warn("No longer in fail-open mode");
    this.#bridge.tables[0]?.classifier.remove(this.#rule);
    this.#rule = undefined;
    this.#bridge.changed();
  }
}
