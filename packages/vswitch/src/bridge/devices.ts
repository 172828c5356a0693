/** Which provider opens a device, under the rules of ovs-vswitchd(8) --enable-dummy. */
import { WeftError } from "@weft/runtime";
import type { DummyProvider } from "../netdev/dummy.ts";
import type { Netdev, NetdevProvider } from "../netdev.ts";
import { TUNNEL_TYPES } from "./tunnel-options.ts";

/** --enable-dummy: not at all, for bridges of type "dummy", for the "system" datapath and devices, for everything but tunnels. */
export type EnableDummy = "none" | "dummy" | "system" | "override";

export class Devices {
  readonly #providers: readonly NetdevProvider[];
  readonly dummies: DummyProvider;
  readonly #enable: EnableDummy;

  constructor(providers: readonly NetdevProvider[], dummies: DummyProvider, enable: EnableDummy) {
    this.#providers = providers;
    this.dummies = dummies;
    this.#enable = enable;
  }

  /** Whether a device that was missing is there now. */
  has(name: string): boolean {
    return this.#providers.some((provider) => provider.has?.(name) === true);
  }

  /** The type that a device of an Interface type is opened as, on a bridge of a datapath type. */
  typeOf(type: string, datapathType: string): string {
    const plain = type === "" ? "system" : type;
    switch (this.#enable) {
      case "none":
        return plain;
      case "dummy":
        return plain === "internal" && (datapathType === "dummy" || !this.#provides("internal")) ? "dummy-internal" : plain;
      case "system":
      case "override":
        return plain === "internal" || plain === "tap" ? "dummy-internal" : plain === "system" ? "dummy" : plain;
    }
  }

  #provides(type: string): boolean {
    return this.#providers.some((provider) => provider.types.includes(type));
  }

  /** Interface types that there are. */
  get types(): string[] {
    const types = new Set([...TUNNEL_TYPES, "internal", "patch"]);
    for (const provider of this.#providers) for (const type of provider.types) types.add(type);
    if (this.#enable !== "none") for (const type of [...this.dummies.types, "system", "tap"]) types.add(type);
    return [...types].sort();
  }

  /** Rejects with a WeftError whose message is for the Interface's `error` column. */
  async open(name: string, type: string, options: ReadonlyMap<string, string>, datapathType = ""): Promise<Netdev> {
    const opened = this.typeOf(type, datapathType);
    const provider = this.#providers.find((candidate) => candidate.types.includes(opened));
    if (provider !== undefined) return provider.open(name, opened, options);
    if (this.dummies.types.includes(opened) && this.#enable !== "none") return this.dummies.open(name, opened, options);
    // Without anybody who makes internal devices a bridge has none to give, but still is a bridge.
    if (opened === "internal") return this.dummies.open(name, "dummy-internal", options);
    throw new WeftError(
      opened === "system" ? "netdev.no-device" : "netdev.no-type",
      opened === "system"
        ? `could not open network device ${name} (No such device)`
        : `could not open network device ${name} (Address family not supported by protocol)`,
      { blame: "caller" },
    );
  }
}
