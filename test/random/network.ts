/**
 * Random networks as ovn-nbctl commands: a seeded sequence of edits, each the arguments of one ovn-nbctl call (several
 * commands are joined by "--"). The same seed gives the same sequence. Edits create, change and delete; every prefix of
 * the sequence is a network. Within what northd covers: switches with ports of all kinds of addresses, port security,
 * localnet and localport ports, child ports, routers with IPv4 and IPv6, links between routers, static routes, policies,
 * ACLs, port groups, address sets, dynamic addresses.
 */
export interface RandomNetworkOptions {
  /** Leave out what needs connection tracking (allow-related ACLs). */
  readonly stateless?: boolean;
  /** Leave out what depends on the order of arrival: dynamic addresses, tags of child ports left to northd. */
  readonly static?: boolean;
}

interface Switch {
  readonly name: string;
  readonly number: number;
  readonly ports: Port[];
  readonly acls: string[][];
  dynamic: boolean;
}

interface Port {
  readonly name: string;
  readonly mac: string;
  readonly ip4: string | undefined;
  readonly ip6: string | undefined;
  readonly kind: "vif" | "localnet" | "localport" | "child" | "router";
  readonly at: Switch;
}

interface Router {
  readonly name: string;
  readonly ports: RouterPort[];
  /** What lr-route-del and lr-policy-del need. */
  readonly routes: string[][];
  readonly policies: string[][];
}

interface RouterPort {
  readonly name: string;
  readonly mac: string;
  readonly networks: readonly string[];
  readonly attached: Switch | undefined;
}

type Edit = () => string[] | undefined;

export class RandomNetwork {
  readonly switches: Switch[] = [];
  readonly routers: Router[] = [];
  readonly groups = new Map<string, Set<string>>();
  readonly sets: string[] = [];
  readonly #options: RandomNetworkOptions;
  #state: number;
  #count = 0;

  constructor(seed: number, options: RandomNetworkOptions = {}) {
    this.#state = (seed ^ 0x9e37_79b9) >>> 0 || 1;
    this.#options = options;
  }

  /** The next edit. */
  next(): string[] {
    for (;;) {
      const edit = this.#pick(this.#edits)();
      if (edit !== undefined) return edit;
    }
  }

  /** Edits that build a network from nothing. */
  build(edits: number): string[][] {
    const list = [this.#addSwitch()!, this.#addSwitch()!, this.#addRouter()!];
    while (list.length < edits) list.push(this.next());
    return list;
  }

  /** The names of ports that a guest may stand behind. */
  get guests(): readonly Port[] {
    return this.switches.flatMap(({ ports }) => ports.filter(({ kind }) => kind === "vif" || kind === "child"));
  }

  // --- chance: xorshift32 --------------------------------------------------------------------------------------------

  below(bound: number): number {
    let x = this.#state;
    x ^= x << 13;
    x >>>= 0;
    x ^= x >>> 17;
    x ^= x << 5;
    x >>>= 0;
    this.#state = x;
    return x % bound;
  }

  #chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  #any<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : this.#pick(items);
  }

  #mac(): string {
    return `0a:00:00:00:${Math.floor(this.#count / 256)
      .toString(16)
      .padStart(2, "0")}:${(this.#count % 256).toString(16).padStart(2, "0")}`;
  }

  // --- edits ---------------------------------------------------------------------------------------------------------

  get #edits(): readonly Edit[] {
    const often = (edit: Edit, times: number): Edit[] => new Array<Edit>(times).fill(edit);
    return [
      ...often(() => this.#addSwitch(), 2),
      ...often(() => this.#addPort(), 14),
      ...often(() => this.#changePort(), 5),
      ...often(() => this.#deletePort(), 2),
      ...often(() => this.#addChild(), 3),
      ...often(() => this.#addRouter(), 1),
      ...often(() => this.#attach(), 4),
      ...often(() => this.#link(), 1),
      ...often(() => this.#route(), 3),
      ...often(() => this.#deleteRoute(), 1),
      ...often(() => this.#policy(), 2),
      ...often(() => this.#deletePolicy(), 1),
      ...often(() => this.#acl(), 4),
      ...often(() => this.#deleteAcls(), 1),
      ...often(() => this.#group(), 2),
      ...often(() => this.#addressSet(), 2),
      ...often(() => this.#detach(), 1),
      ...often(() => this.#deleteSwitch(), 1),
      ...often(() => this.#option(), 2),
    ];
  }

  #addSwitch(): string[] | undefined {
    if (this.switches.length >= 8) return undefined;
    const number = ++this.#count;
    const made: Switch = { name: `s${number}`, number, ports: [], acls: [], dynamic: false };
    this.switches.push(made);
    const edit = ["ls-add", made.name];
    if (this.#options.static !== true && this.#chance(15)) {
      made.dynamic = true;
      edit.push("--", "set", "Logical_Switch", made.name, `other_config:subnet=10.${number % 250}.0.0/24`);
    }
    return edit;
  }

  #deleteSwitch(): string[] | undefined {
    if (this.switches.length < 4 || !this.#chance(40)) return undefined;
    const gone = this.#pick(this.switches);
    if (gone.ports.some((port) => port.kind === "router")) return undefined;
    this.switches.splice(this.switches.indexOf(gone), 1);
    for (const members of this.groups.values()) for (const port of gone.ports) members.delete(port.name);
    return ["ls-del", gone.name];
  }

  #addPort(): string[] | undefined {
    const at = this.#any(this.switches);
    if (at === undefined || at.ports.length >= 12) return undefined;
    const number = ++this.#count;
    const name = `${at.name}-p${number}`;
    const kind = this.#chance(8) ? "localnet" : this.#chance(6) ? "localport" : "vif";
    if (kind === "localnet") {
      if (at.ports.some((port) => port.kind === "localnet")) return undefined;
      at.ports.push({ name, mac: "", ip4: undefined, ip6: undefined, kind, at });
      const edit = ["lsp-add", at.name, name, "--", "lsp-set-type", name, "localnet", "--", "lsp-set-addresses", name, "unknown"];
      edit.push("--", "lsp-set-options", name, "network_name=physnet1");
      if (this.#chance(30)) edit.push("--", "set", "Logical_Switch_Port", name, `tag_request=${1 + this.below(4094)}`);
      return edit;
    }
    const port: Port = {
      name,
      mac: this.#mac(),
      ip4: this.#chance(85) ? `10.${at.number % 250}.0.${1 + (number % 250)}` : undefined,
      ip6: this.#chance(50) ? `fd00:${at.number.toString(16)}::${number.toString(16)}` : undefined,
      kind,
      at,
    };
    at.ports.push(port);
    const edit = ["lsp-add", at.name, name, "--", "lsp-set-addresses", name, ...this.#addresses(port)];
    if (kind === "localport") edit.push("--", "lsp-set-type", name, "localport");
    if (this.#chance(40)) edit.push("--", "lsp-set-port-security", name, this.#address(port));
    return edit;
  }

  #address(port: Port): string {
    return [port.mac, port.ip4, port.ip6].filter((word) => word !== undefined).join(" ");
  }

  #addresses(port: Port): string[] {
    if (port.at.dynamic && this.#chance(50)) return ["dynamic"];
    if (this.#chance(8)) return ["unknown"];
    return this.#chance(15) ? [this.#address(port), "unknown"] : [this.#address(port)];
  }

  #changePort(): string[] | undefined {
    const port = this.#any(this.guests);
    if (port === undefined) return undefined;
    const { name } = port;
    return this.#pick<() => string[]>([
      () => ["lsp-set-addresses", name, ...this.#addresses(port)],
      () => ["lsp-set-addresses", name],
      () => ["lsp-set-port-security", name, ...(this.#chance(50) ? [this.#address(port)] : [])],
      () => ["lsp-set-enabled", name, this.#chance(50) ? "disabled" : "enabled"],
      () => ["set", "Logical_Switch_Port", name, `external_ids:note=n${this.below(9)}`],
      () => ["set", "Logical_Switch_Port", name, `options:requested-tnl-key=${100 + this.below(30_000)}`],
      () => ["set", "Logical_Switch_Port", name, "options:force_fdb_lookup=true"],
      () => ["set", "Logical_Switch_Port", name, "options:disable_arp_nd_rsp=true"],
    ])();
  }

  #deletePort(): string[] | undefined {
    const port = this.#any(this.guests);
    if (port === undefined) return undefined;
    port.at.ports.splice(port.at.ports.indexOf(port), 1);
    for (const members of this.groups.values()) members.delete(port.name);
    return ["lsp-del", port.name];
  }

  #addChild(): string[] | undefined {
    const parent = this.#any(this.guests.filter((port) => port.kind === "vif"));
    const at = this.#any(this.switches);
    if (parent === undefined || at === undefined) return undefined;
    const number = ++this.#count;
    const name = `${at.name}-c${number}`;
    const port: Port = {
      name,
      mac: this.#mac(),
      ip4: `10.${at.number % 250}.0.${1 + (number % 250)}`,
      ip6: undefined,
      kind: "child",
      at,
    };
    at.ports.push(port);
    const tag = this.#options.static !== true && this.#chance(40) ? "0" : String(1000 + number);
    return ["lsp-add", at.name, name, parent.name, tag, "--", "lsp-set-addresses", name, this.#address(port)];
  }

  #addRouter(): string[] | undefined {
    if (this.routers.length >= 4) return undefined;
    const name = `r${++this.#count}`;
    this.routers.push({ name, ports: [], routes: [], policies: [] });
    return ["lr-add", name];
  }

  #attach(): string[] | undefined {
    const router = this.#any(this.routers);
    const at = this.#any(this.switches);
    if (router === undefined || at === undefined || router.ports.some((port) => port.attached === at)) return undefined;
    const number = ++this.#count;
    const name = `${router.name}-${at.name}`;
    const networks = [`10.${at.number % 250}.0.${251 + (number % 4)}/24`];
    if (this.#chance(60)) networks.push(`fd00:${at.number.toString(16)}::${(0x1000 + number).toString(16)}/64`);
    if (this.#chance(15)) networks.push(`172.16.${number % 250}.1/24`);
    const port: RouterPort = { name, mac: this.#mac(), networks, attached: at };
    router.ports.push(port);
    const inner = `${at.name}-${router.name}`;
    at.ports.push({ name: inner, mac: port.mac, ip4: undefined, ip6: undefined, kind: "router", at });
    const edit = ["lrp-add", router.name, name, port.mac, ...networks, "--", "lsp-add", at.name, inner];
    edit.push("--", "lsp-set-type", inner, "router", "--", "lsp-set-options", inner, `router-port=${name}`);
    edit.push("--", "lsp-set-addresses", inner, this.#chance(70) ? "router" : port.mac);
    return edit;
  }

  #detach(): string[] | undefined {
    const router = this.#any(this.routers.filter(({ ports }) => ports.some(({ attached }) => attached !== undefined)));
    if (router === undefined || !this.#chance(40)) return undefined;
    const port = this.#pick(router.ports.filter(({ attached }) => attached !== undefined));
    const at = port.attached!;
    const inner = `${at.name}-${router.name}`;
    router.ports.splice(router.ports.indexOf(port), 1);
    at.ports.splice(
      at.ports.findIndex(({ name }) => name === inner),
      1,
    );
    return ["lrp-del", port.name, "--", "lsp-del", inner];
  }

  #link(): string[] | undefined {
    const one = this.#any(this.routers);
    const other = this.#any(this.routers);
    if (one === undefined || other === undefined || one === other) return undefined;
    const number = ++this.#count;
    const [a, b] = [`${one.name}-l${number}`, `${other.name}-l${number}`];
    const net = `10.254.${number % 250}`;
    const ports = [
      { router: one, name: a, mac: this.#mac(), networks: [`${net}.1/30`, `fdff:${number}::1/64`], attached: undefined },
      {
        router: other,
        name: b,
        mac: this.#mac().replace("0a", "0e"),
        networks: [`${net}.2/30`, `fdff:${number}::2/64`],
        attached: undefined,
      },
    ];
    for (const { router, ...port } of ports) router.ports.push(port);
    const add = (port: (typeof ports)[number], peer: string) => [
      "lrp-add",
      port.router.name,
      port.name,
      port.mac,
      ...port.networks,
      `peer=${peer}`,
    ];
    return [...add(ports[0]!, b), "--", ...add(ports[1]!, a)];
  }

  #nexthop(router: Router): string | undefined {
    const port = this.#any(router.ports);
    const network = port === undefined ? undefined : this.#pick(port.networks);
    if (network === undefined) return undefined;
    const address = network.slice(0, network.indexOf("/"));
    const cut = Math.max(address.lastIndexOf("."), address.lastIndexOf(":")) + 1;
    const six = address.includes(":");
    return `${address.slice(0, cut)}${network.endsWith("/30") ? (address.endsWith("1") ? 2 : 1) : six ? "77" : 77}`;
  }

  #route(): string[] | undefined {
    const router = this.#any(this.routers);
    const nexthop = router === undefined ? undefined : this.#chance(10) ? "discard" : this.#nexthop(router);
    if (router === undefined || nexthop === undefined) return undefined;
    const number = ++this.#count;
    const six = nexthop.includes(":");
    const prefix = this.#chance(15)
      ? six
        ? "::/0"
        : "0.0.0.0/0"
      : six
        ? `fd88:${number}::/${this.#pick([32, 48, 64])}`
        : `192.168.${number % 250}.0/${this.#pick([24, 25, 28])}`;
    if (router.routes.some((other) => other[1] === prefix)) return undefined;
    // By source, the whole world has the priority of the flow that drops what has no route: which wins is open.
    const bySource = this.#chance(15) && !prefix.endsWith("/0");
    const policy = `--policy=${bySource ? "src-ip" : "dst-ip"}`;
    router.routes.push([policy, prefix]);
    return ["--may-exist", policy, "lr-route-add", router.name, prefix, nexthop];
  }

  #deleteRoute(): string[] | undefined {
    const router = this.#any(this.routers.filter(({ routes }) => routes.length > 0));
    if (router === undefined) return undefined;
    const route = this.#pick(router.routes);
    router.routes.splice(router.routes.indexOf(route), 1);
    return ["--if-exists", route[0]!, "lr-route-del", router.name, route[1]!];
  }

  #policy(): string[] | undefined {
    const router = this.#any(this.routers);
    if (router === undefined) return undefined;
    const number = ++this.#count;
    const match = `ip4.src == 10.${1 + (number % 250)}.0.0/24 && ip4.dst == 10.${1 + this.below(20)}.0.0/24`;
    const priority = String(1 + (number % 30_000));
    const action = this.#pick(["allow", "drop", "reroute"]);
    const nexthop = action === "reroute" ? this.#nexthop(router) : undefined;
    if (action === "reroute" && (nexthop === undefined || nexthop.includes(":"))) return undefined;
    router.policies.push([priority, match]);
    return ["lr-policy-add", router.name, priority, match, action, ...(nexthop === undefined ? [] : [nexthop])];
  }

  #deletePolicy(): string[] | undefined {
    const router = this.#any(this.routers.filter(({ policies }) => policies.length > 0));
    if (router === undefined) return undefined;
    const policy = this.#pick(router.policies);
    router.policies.splice(router.policies.indexOf(policy), 1);
    return ["lr-policy-del", router.name, ...policy];
  }

  #match(direction: string, port: string): string {
    const where = direction === "to-lport" ? "outport" : "inport";
    const set = this.#any(this.sets);
    const what = this.#pick([
      "ip4",
      "ip6",
      "tcp && tcp.dst == 80",
      "udp",
      "icmp4",
      set === undefined ? "arp" : `ip4.src == $${set}`,
    ]);
    return `${where} == ${port} && ${what}`;
  }

  #acl(): string[] | undefined {
    const direction = this.#pick(["to-lport", "from-lport"]);
    const actions = [
      "allow",
      "drop",
      "reject",
      "allow-stateless",
      ...(this.#options.stateless === true ? [] : ["allow-related"]),
    ];
    const tail = [String(1 + (++this.#count % 30_000))];
    const options = [
      ...(this.#chance(10) ? ["--log"] : []),
      ...(this.#chance(10) && direction === "from-lport" ? ["--apply-after-lb"] : []),
    ];
    const group = this.#chance(40) ? this.#any([...this.groups.keys()]) : undefined;
    if (group !== undefined) {
      return [...options, "acl-add", group, direction, ...tail, this.#match(direction, `@${group}`), this.#pick(actions)];
    }
    const port = this.#any(this.guests);
    if (port === undefined) return undefined;
    const acl = [port.at.name, direction, ...tail, this.#match(direction, JSON.stringify(port.name))];
    port.at.acls.push(acl);
    return [...options, "acl-add", ...acl, this.#pick(actions)];
  }

  #deleteAcls(): string[] | undefined {
    const at = this.#any(this.switches.filter(({ acls }) => acls.length > 0));
    if (at === undefined) return undefined;
    return ["acl-del", ...at.acls.splice(this.below(at.acls.length), 1)[0]!];
  }

  #group(): string[] | undefined {
    if (this.groups.size < 3) {
      const name = `pg${++this.#count}`;
      const members = new Set(this.guests.filter(() => this.#chance(30)).map((port) => port.name));
      this.groups.set(name, members);
      return ["pg-add", name, ...members];
    }
    const name = this.#pick([...this.groups.keys()]);
    const members = new Set(this.guests.filter(() => this.#chance(30)).map((port) => port.name));
    if (members.size === 0) return undefined;
    this.groups.set(name, members);
    return ["pg-set-ports", name, ...members];
  }

  #addressSet(): string[] | undefined {
    const addresses = () =>
      [...new Set(Array.from({ length: 1 + this.below(4) }, () => `"10.${1 + this.below(20)}.0.${1 + this.below(250)}"`))].join();
    if (this.sets.length < 3) {
      const name = `as${++this.#count}`;
      this.sets.push(name);
      return ["create", "Address_Set", `name=${name}`, `addresses=${addresses()}`];
    }
    return ["set", "Address_Set", this.#pick(this.sets), `addresses=${addresses()}`];
  }

  #option(): string[] | undefined {
    const at = this.#any(this.switches);
    const router = this.#any(this.routers);
    if (at === undefined || router === undefined) return undefined;
    return this.#pick<() => string[]>([
      () => ["set", "Logical_Switch", at.name, `other_config:vlan-passthru=${this.#chance(50)}`],
      () => ["set", "Logical_Switch", at.name, `other_config:mcast_snoop=${this.#chance(50)}`],
      () => ["set", "Logical_Switch", at.name, `other_config:broadcast-arps-to-all-routers=${this.#chance(50)}`],
      () => ["set", "Logical_Switch", at.name, `external_ids:note=n${this.below(9)}`],
      () => ["set", "Logical_Router", router.name, `options:always_learn_from_arp_request=${this.#chance(50)}`],
      () => ["set", "Logical_Router", router.name, `options:dynamic_neigh_routers=${this.#chance(50)}`],
      () => ["set", "NB_Global", ".", `options:use_ct_inv_match=${this.#chance(50)}`],
      () => ["set", "NB_Global", ".", `options:ignore_lsp_down=${this.#chance(50)}`],
      () => ["set", "NB_Global", ".", `options:default_acl_drop=${this.#chance(30)}`],
    ])();
  }
}
