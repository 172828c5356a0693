/** ovs/route/..., tnl/...: routes, neighbours and ends of the switch's own tunnels (ovs-vswitchd(8)). */
import { parseMac } from "@weft/packet";
import type { ControlCommand, JsonReply } from "@weft/runtime";
import { address128, formatAddress, type IpAddress, parseAddress, parsePrefix } from "../tunnel/address.ts";
import { network, type Route } from "../tunnel/routes.ts";
import { type ControlContext, command, refuse } from "./context.ts";

/** The number of the table "main", the one that there is. */
const MAIN = 254;
/** Whose addresses the machine's own are; they are kept with the others. */
const LOCAL = 255;
const TABLES: ReadonlyMap<string, number> = new Map([
  ["local", LOCAL],
  ["main", MAIN],
  ["default", 253],
]);

/** "table=ID". */
function tableOf(word: string): number | undefined {
  const text = /^table=(.+)$/.exec(word)?.[1] ?? "";
  return TABLES.get(text) ?? (/^\d+$/.test(text) ? Number(text) : undefined);
}

interface RouteWords {
  readonly gateway?: IpAddress;
  readonly source?: IpAddress;
  readonly mark: number;
}

/** What stands behind a route's prefix and device: pkt_mark=, src=, table= and a gateway, in any order. Throws `complaint` for others. */
function routeWords(words: readonly string[], complaint: string): RouteWords {
  let found: RouteWords = { mark: 0 };
  for (const word of words) {
    if (word.startsWith("table=")) {
      const table = tableOf(word);
      if (table === undefined) throw refuse("Invalid table format");
      if (table !== MAIN) throw refuse(`${word}: there is one routing table, main`);
      continue;
    }
    const [, name, text = ""] = /^(pkt_mark|src)=(.*)$/.exec(word) ?? [];
    if (name === "pkt_mark" && /^(\d+|0x[0-9a-f]+)$/i.test(text)) {
      found = { ...found, mark: Number(text) };
      continue;
    }
    const address = name === "pkt_mark" ? undefined : parseAddress(name === undefined ? word : text);
    if (address === undefined) throw refuse(complaint);
    found = name === undefined ? { ...found, gateway: address } : { ...found, source: address };
  }
  return found;
}

/** Throws where routes of another table than the one that there is are asked for. */
function checkTable(word: string | undefined): void {
  if (word === undefined || word === "table=all") return;
  const table = tableOf(word);
  if (table === undefined) throw refuse("Invalid table format");
  if (table !== MAIN) throw refuse(`Table '${word}' not found`);
}

const routeJson = ({ prefix, length, device, gateway, mark, source, user, local }: Route): JsonReply => ({
  dst: formatAddress(network(prefix, length)),
  local,
  ...(mark === 0 ? {} : { mark }),
  nexthops: [{ dev: device, ...(gateway === undefined ? {} : { gateway: formatAddress(gateway) }) }],
  prefix: length,
  ...(source === undefined ? {} : { prefsrc: formatAddress(source) }),
  table: local ? LOCAL : MAIN,
  user,
});

const sameAddress = (a: IpAddress, b: IpAddress): boolean => address128(a) === address128(b);

export function tunnelCommands(c: ControlContext): ControlCommand[] {
  const { datapath } = c;
  const setNeighbour = ([bridge, ip, macText]: readonly string[]): string => {
    const address = ip === undefined ? undefined : parseAddress(ip);
    if (address === undefined) throw refuse("bad IP address");
    const mac = macText === undefined ? undefined : parseMac(macText);
    if (mac === undefined) throw refuse("bad MAC address");
    datapath.neighbours.set(bridge ?? "", address, mac, datapath.now());
    datapath.invalidate();
    return "OK";
  };
  const flush = (): string => {
    if (datapath.neighbours.flush()) datapath.invalidate();
    return "OK";
  };
  const show = (): string => datapath.neighbours.format(datapath.now());
  const aging = ([text]: readonly string[]): string => {
    if (text === undefined) return String(datapath.neighbours.agingMs / 1000);
    const seconds = Number(text);
    if (!Number.isInteger(seconds) || seconds < 1 || seconds > 3600) throw refuse("bad aging value");
    datapath.neighbours.agingMs = seconds * 1000;
    return "OK";
  };
  const retransmission = ([text]: readonly string[]): string => {
    if (text === undefined) return String(datapath.neighbours.retransMs);
    if (!/^-?\d+$/.test(text)) throw refuse("bad retrans_time value");
    const ms = Number(BigInt.asUintN(32, BigInt(text)));
    if (ms > datapath.neighbours.agingMs) throw refuse("retrans_time value cannot be greater than aging");
    datapath.neighbours.retransMs = ms;
    return "OK";
  };
  return [
    command("ovs/route/add", "ip/plen dev [gw] [pkt_mark=mark] [src=src_ip] [table=id]", 2, 6, (args) => {
      const prefix = parsePrefix(args[0] ?? "");
      if (prefix === undefined) throw refuse("Invalid 'ip/plen' parameter");
      const device = args[1] ?? "";
      const { gateway, mark, source } = routeWords(args.slice(2), "Invalid pkt_mark, IP gateway or src_ip");
      const bridge = datapath.bridgeOfDevice(device);
      // The route needs an address of the device to send from.
      const addresses = datapath.addresses.get(bridge?.name ?? "") ?? [];
      const own = addresses.find((address) =>
        source === undefined ? address.family === prefix.address.family : sameAddress(address, source),
      );
      if (bridge === undefined || own === undefined) throw refuse("Error while inserting route.");
      datapath.routes.add({
        prefix: prefix.address,
        length: prefix.length,
        device,
        gateway,
        mark,
        source: own,
        user: true,
        local: false,
      });
      datapath.invalidate();
      return "OK";
    }),
    command("ovs/route/del", "ip/plen [pkt_mark=mark] [table=id]", 1, 3, (args) => {
      const prefix = parsePrefix(args[0] ?? "");
      if (prefix === undefined) throw refuse("Invalid parameters");
      const { mark } = routeWords(args.slice(1), "Invalid pkt_mark or table");
      if (!datapath.routes.remove(prefix.address, prefix.length, mark)) throw refuse("Not found");
      datapath.invalidate();
      return "OK";
    }),
    {
      ...command("ovs/route/show", "[table=all|id]", 0, 1, ([which]) => {
        checkTable(which);
        return [...(which === "table=all" ? [] : ["Route Table:"]), ...datapath.routes.format()].join("\n");
      }),
      json: ([which]) => {
        checkTable(which);
        return datapath.routes.sorted().map(routeJson);
      },
    },
    command("ovs/route/lookup", "ip_addr [pkt_mark=mark] [src=src_ip]", 1, 3, (args) => {
      const address = parseAddress(args[0] ?? "");
      if (address === undefined) throw refuse("Invalid 'ip/plen' parameter");
      const { mark } = routeWords(args.slice(1), "Invalid pkt_mark or src");
      const route = datapath.routes.lookup(address, mark);
      if (route === undefined) throw refuse("Not found");
      return [
        `src ${route.source === undefined ? "::" : formatAddress(route.source)}`,
        `gateway ${route.gateway === undefined ? "::" : formatAddress(route.gateway)}`,
        `dev ${route.device}`,
      ].join("\n");
    }),
    command("tnl/neigh/set", "BRIDGE IP MAC", 3, 3, setNeighbour),
    command("tnl/arp/set", "BRIDGE IP MAC", 3, 3, setNeighbour),
    command("tnl/neigh/show", "", 0, 0, show),
    command("tnl/arp/show", "", 0, 0, show),
    command("tnl/neigh/flush", "", 0, 0, flush),
    command("tnl/arp/flush", "", 0, 0, flush),
    command("tnl/neigh/aging", "[SECS]", 0, 1, aging),
    command("tnl/arp/aging", "[SECS]", 0, 1, aging),
    command("tnl/neigh/retrans_time", "[MSECS]", 0, 1, retransmission),
    command("tnl/ports/show", "-v", 0, 1, ([verbose]) => {
      const lines = verbose === "-v" ? datapath.tunnels.ends.format() : tunnelPortUsers(c);
      return ["Listening ports:", ...lines].join("\n");
    }),
    command("tnl/egress_port_range", "min max", 0, 2, (args) => {
      if (args.length < 2) return `Tunnel UDP source port range: ${datapath.portRange.min}-${datapath.portRange.max}`;
      const [one, other] = args.map(Number);
      const isPort = (port: number | undefined): port is number => Number.isInteger(port) && port! >= 1 && port! <= 65535;
      if (!isPort(one)) return "Invalid min.";
      if (!isPort(other)) return "Invalid max.";
      datapath.portRange = { min: Math.min(one, other), max: Math.max(one, other) };
      return "OK";
    }),
  ];
}

/** The ports of tunnel protocols, with the number of tunnels behind each. */
function tunnelPortUsers({ datapath }: ControlContext): string[] {
  const tunnels = [...datapath.bridges.values()].flatMap((bridge) => [...bridge.ports.values()]);
  return datapath.tunnels.ends.protocols.map(({ dpPort, name }) => {
    const users = tunnels.filter((port) => port.kind === "tunnel" && port.dpPort === dpPort).length;
    return `${name} (${dpPort}) ref_cnt=${users}`;
  });
}
