/** ovs/route/..., tnl/...: routes, neighbours and ends of the switch's own tunnels (ovs-vswitchd(8)). */
import { parseMac } from "@weft/packet";
import type { ControlCommand } from "@weft/runtime";
import { formatAddress, parseAddress, parsePrefix } from "../tunnel/address.ts";
import { type ControlContext, command, refuse } from "./context.ts";

/** "name=value" arguments. */
function named(args: readonly string[], name: string): string | undefined {
  return args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1);
}

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
  return [
    command("ovs/route/add", "ip/plen dev [gw] [pkt_mark=mark] [src=src_ip] [table=id]", 2, 6, (args) => {
      const prefix = parsePrefix(args[0] ?? "");
      if (prefix === undefined) throw refuse("Invalid 'ip/plen' parameter");
      const device = args[1] ?? "";
      const gwText = args.slice(2).find((arg) => !arg.includes("="));
      const gateway = gwText === undefined ? undefined : parseAddress(gwText);
      if (gwText !== undefined && gateway === undefined) throw refuse("Invalid pkt_mark or IP gateway");
      const srcText = named(args, "src");
      const source = srcText === undefined ? undefined : parseAddress(srcText);
      if (srcText !== undefined && source === undefined) throw refuse("Invalid 'src' parameter");
      const bridge = datapath.bridgeOfDevice(device);
      // The route needs an address of the device to send from.
      const own =
        source ?? (datapath.addresses.get(bridge?.name ?? "") ?? []).find((address) => address.family === prefix.address.family);
      if (bridge === undefined || own === undefined) throw refuse("Error while inserting route.");
      datapath.routes.add({
        prefix: prefix.address,
        length: prefix.length,
        device,
        gateway,
        mark: Number(named(args, "pkt_mark") ?? 0),
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
      if (!datapath.routes.remove(prefix.address, prefix.length, Number(named(args, "pkt_mark") ?? 0))) throw refuse("Not found");
      datapath.invalidate();
      return "OK";
    }),
    command("ovs/route/show", "[table=all|id]", 0, 1, () => ["Route Table:", ...datapath.routes.format()].join("\n")),
    command("ovs/route/lookup", "ip_addr [pkt_mark=mark] [src=src_ip]", 1, 3, (args) => {
      const address = parseAddress(args[0] ?? "");
      if (address === undefined) throw refuse("Invalid 'ip/plen' parameter");
      const route = datapath.routes.lookup(address, Number(named(args, "pkt_mark") ?? 0));
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
    command("tnl/ports/show", "-v", 0, 1, ([verbose]) => {
      const lines = verbose === "-v" ? datapath.tunnelPorts.format() : tunnelPortUsers(c);
      return ["Listening ports:", ...lines].join("\n");
    }),
    command("tnl/egress_port_range", "min max", 0, 2, (args) => {
      if (args.length === 0) return `Tunnel UDP source port range: ${datapath.portRange.min}-${datapath.portRange.max}`;
      const [one, other] = args.map(Number);
      const isPort = (port: number | undefined): port is number => Number.isInteger(port) && port! >= 1 && port! <= 65535;
      if (!isPort(one)) throw refuse("Invalid min.");
      if (!isPort(other)) throw refuse("Invalid max.");
      datapath.portRange = { min: Math.min(one, other), max: Math.max(one, other) };
      return "OK";
    }),
  ];
}

/** The ports of tunnel protocols, with the number of tunnels behind each. */
function tunnelPortUsers({ datapath }: ControlContext): string[] {
  const tunnels = [...datapath.bridges.values()].flatMap((bridge) => [...bridge.ports.values()]);
  return datapath.tunnelPorts.protocols.map(({ dpPort, name }) => {
    const users = tunnels.filter((port) => port.kind === "tunnel" && port.dpPort === dpPort).length;
    return `${name} (${dpPort}) ref_cnt=${users}`;
  });
}
