/** ip route (ip-route(8)): show, add, replace, delete, get, flush; the main table. */
import type { Device } from "../../machine/device.ts";
import {
  anyNetwork,
  contains,
  equalIp,
  type Family,
  formatIp,
  formatNetwork,
  type Ip,
  type Network,
  networkOf,
  parseIp,
  parseNetwork,
  widthOf,
} from "../../machine/ip.ts";
import type { CommandContext } from "../../machine/machine.ts";
import { type Namespace, NetlinkError } from "../../machine/namespace.ts";
import type { Route } from "../../machine/route.ts";
import { findDevice, numberArgument } from "./link.ts";
import { type IpOptions, jsonText } from "./output.ts";
import { abbreviated, IpError, Words } from "./words.ts";

function destinationText({ address, length }: Network): string {
  if (length === 0) return "default";
  return length === widthOf(address.family) ? formatIp(address) : formatNetwork({ address, length });
}

function secondsUntil(when: number, device: Device): number {
  return Math.ceil((when - (device.namespace?.clock.now() ?? when)) / 1000);
}

/** `dev`: false when the question named the device. */
function routeText(route: Route, dev = true): string {
  const six = route.destination.address.family === 6;
  return [
    destinationText(route.destination),
    ...(route.via ? ["via", formatIp(route.via)] : []),
    ...(dev ? ["dev", route.device.name] : []),
    ...(route.protocol === "boot" ? [] : ["proto", route.protocol]),
    ...(route.scope === "global" || six ? [] : ["scope", route.scope]),
    ...(route.source && !six ? ["src", formatIp(route.source)] : []),
    ...(route.metric === 0 ? [] : ["metric", String(route.metric)]),
    ...(route.expires === undefined ? [] : ["expires", `${secondsUntil(route.expires, route.device)}sec`]),
    ...(route.hopLimit === undefined ? [] : ["hoplimit", String(route.hopLimit)]),
    ...(six ? ["pref", "medium"] : []),
    ...(route.device.running ? [] : ["linkdown"]),
    ...(six ? [] : [""]),
  ].join(" ");
}

function routeJson(route: Route): Record<string, unknown> {
  return {
    dst: destinationText(route.destination),
    ...(route.via ? { gateway: formatIp(route.via) } : {}),
    dev: route.device.name,
    ...(route.protocol === "boot" ? {} : { protocol: route.protocol }),
    ...(route.scope === "global" ? {} : { scope: route.scope }),
    ...(route.source ? { prefsrc: formatIp(route.source) } : {}),
    ...(route.metric === 0 ? {} : { metric: route.metric }),
    flags: route.device.running ? [] : ["linkdown"],
  };
}

/** The order of the kernel's dump: by destination, then metric. */
function sorted(routes: readonly Route[]): Route[] {
  return [...routes].sort((a, b) => {
    const [x, y] = [a.destination, b.destination];
    if (x.length === 0 || y.length === 0) return x.length - y.length || a.metric - b.metric;
    if (x.address.value !== y.address.value) return x.address.value < y.address.value ? -1 : 1;
    return x.length - y.length || a.metric - b.metric;
  });
}

function show(words: Words, { namespace }: CommandContext, options: IpOptions): string {
  const family: Family = options.family ?? 4;
  let asked = false;
  let routes = sorted(namespace.routes.filter((route) => route.destination.address.family === family));
  while (!words.done) {
    const word = words.next();
    if (word === "dev") {
      const device = findDevice(namespace, words.next());
      routes = routes.filter((route) => route.device === device);
      asked = true;
    } else if (word === "via") {
      const via = ipArgument(words.next());
      routes = routes.filter((route) => route.via !== undefined && equalIp(route.via, via));
    } else if (word === "proto" || word === "protocol") {
      const protocol = words.next();
      routes = routes.filter((route) => route.protocol === protocol);
    } else if (word === "table") words.next();
    else {
      const exact = word === "exact" || word === "match" || word === "root" ? words.next() : word;
      const wanted = networkArgument(exact, family);
      routes = routes.filter(
        ({ destination }) => destination.length === wanted.length && equalIp(destination.address, networkOf(wanted)),
      );
    }
  }
  if (options.json) return jsonText(routes.map(routeJson), options);
  return routes.map((route) => `${routeText(route, !asked)}\n`).join("");
}

function ipArgument(text: string): Ip {
  const ip = parseIp(text);
  if (!ip) throw new IpError(`Error: inet address is expected rather than "${text}".`, 1);
  return ip;
}

function networkArgument(text: string, family: Family): Network {
  if (text === "default" || text === "any" || text === "all") return anyNetwork(family);
  const network = parseNetwork(text);
  if (!network) throw new IpError(`Error: any valid prefix is expected rather than "${text}".`, 1);
  return network;
}

interface RouteWords {
  readonly destination: Network | undefined;
  readonly via: Ip | undefined;
  readonly dev: string | undefined;
  readonly source: Ip | undefined;
  readonly metric: number | undefined;
  readonly protocol: string | undefined;
  readonly onlink: boolean;
}

function parseRoute(words: Words, options: IpOptions): RouteWords {
  let destination: string | undefined;
  let via: Ip | undefined;
  let dev: string | undefined;
  let source: Ip | undefined;
  let metric: number | undefined;
  let protocol: string | undefined;
  let onlink = false;
  while (!words.done) {
    const word = words.next();
    if (word === "via") {
      words.accept("inet", "inet6");
      via = ipArgument(words.next());
    } else if (word === "dev") dev = words.next();
    else if (word === "src") source = ipArgument(words.next());
    else if (word === "metric" || word === "preference") metric = numberArgument(words.next(), "metric");
    else if (word === "proto" || word === "protocol") protocol = words.next();
    else if (word === "onlink") onlink = true;
    else if (word === "scope" || word === "table" || word === "mtu") words.next();
    else if (destination === undefined) destination = word === "to" ? words.next() : word;
    else throw new IpError(`Error: either "to" is duplicate, or "${word}" is a garbage.`);
  }
  const family = via?.family ?? options.family ?? 4;
  return {
    destination: destination === undefined ? undefined : networkArgument(destination, family),
    via,
    dev,
    source,
    metric,
    protocol,
    onlink,
  };
}

function routeFrom(words: Words, context: CommandContext, options: IpOptions): Route {
  const { namespace } = context;
  const { destination, via, dev, source, metric, protocol, onlink } = parseRoute(words, options);
  if (!destination) throw new IpError("RTNETLINK answers: No such device", 2);
  const given = dev === undefined ? undefined : findDevice(namespace, dev);
  if (equalIp(networkOf(destination), destination.address) === false)
    throw new IpError("Error: Invalid prefix for given prefix length.", 2);
  if (!via && !given) throw new IpError("RTNETLINK answers: No such device", 2);
  let device = given;
  if (via && !onlink) {
    const reach = namespace.lookup(via, given);
    if (!reach || reach.route.via !== undefined || reach.route.scope === "host")
      throw new IpError("Error: Nexthop has invalid gateway.", 2);
    device ??= reach.route.device;
  }
  if (!device) throw new IpError("Error: Nexthop has invalid gateway.", 2);
  if (!device.up) throw new IpError(via ? "Error: Nexthop has invalid gateway." : "RTNETLINK answers: Network is down", 2);
  const six = destination.address.family === 6;
  return {
    destination,
    via,
    device,
    protocol: protocol ?? "boot",
    scope: via || six ? "global" : "link",
    source,
    metric: metric ?? (six ? 1024 : 0),
  };
}

function add(words: Words, context: CommandContext, options: IpOptions): string {
  context.namespace.addRoute(routeFrom(words, context, options), false);
  return "";
}

function replace(words: Words, context: CommandContext, options: IpOptions): string {
  context.namespace.addRoute(routeFrom(words, context, options), true);
  return "";
}

function remove(words: Words, context: CommandContext, options: IpOptions): string {
  const { destination, via, dev, metric } = parseRoute(words, options);
  if (!destination) throw new IpError("RTNETLINK answers: No such process", 2);
  context.namespace.removeRoute(
    (route) =>
      route.destination.length === destination.length &&
      equalIp(route.destination.address, destination.address) &&
      (via === undefined || (route.via !== undefined && equalIp(route.via, via))) &&
      (dev === undefined || route.device.name === dev) &&
      (metric === undefined || route.metric === metric),
  );
  return "";
}

function get(words: Words, { namespace }: CommandContext, options: IpOptions): string {
  const destination = ipArgument(words.next());
  const found = namespace.lookup(destination);
  if (!found) throw new NetlinkError("RTNETLINK answers: Network is unreachable");
  const local = found.route.scope === "host";
  if (options.json) {
    return jsonText(
      [
        {
          ...(local ? { type: "local" } : {}),
          dst: formatIp(destination),
          ...(found.route.via ? { gateway: formatIp(found.route.via) } : {}),
          dev: found.route.device.name,
          ...(found.source ? { prefsrc: formatIp(found.source) } : {}),
          flags: [],
          uid: 0,
          cache: [],
        },
      ],
      options,
    );
  }
  const text = [
    ...(local ? ["local"] : []),
    formatIp(destination),
    ...(destination.family === 6 ? ["from", "::"] : []),
    ...(found.route.via ? ["via", formatIp(found.route.via)] : []),
    "dev",
    found.route.device.name,
    ...(found.source ? ["src", formatIp(found.source)] : []),
    ...(destination.family === 6 ? ["metric", String(found.route.metric), "pref", "medium"] : ["uid", "0", ""]),
  ];
  return destination.family === 6 ? `${text.join(" ")}\n` : `${text.join(" ")}\n    cache ${local ? "<local> " : ""}\n`;
}

function flush(words: Words, { namespace }: CommandContext, options: IpOptions): string {
  if (words.done) throw new IpError('"ip route flush" requires arguments.');
  const { destination, dev } = parseRoute(words, options);
  for (const route of matching(namespace, destination, dev)) namespace.removeRoute((other) => other === route);
  return "";
}

function matching(namespace: Namespace, destination: Network | undefined, dev: string | undefined): Route[] {
  return namespace.routes.filter(
    (route) =>
      (dev === undefined || route.device.name === dev) &&
      (destination === undefined ||
        (contains(destination, route.destination.address) && route.destination.length >= destination.length)),
  );
}

const subcommands = [
  ["add", add],
  ["append", add],
  ["change", replace],
  ["chg", replace],
  ["delete", remove],
  ["get", get],
  ["show", show],
  ["list", show],
  ["lst", show],
  ["replace", replace],
  ["flush", flush],
] as const;

export function ipRoute(words: readonly string[], context: CommandContext, options: IpOptions): string {
  if (words.length === 0) return show(new Words([]), context, options);
  const run = abbreviated<(words: Words, context: CommandContext, options: IpOptions) => string>(subcommands, words[0]!);
  if (!run) throw new IpError(`Command "${words[0]}" is unknown, try "ip route help".`);
  return run(new Words(words.slice(1)), context, options);
}
