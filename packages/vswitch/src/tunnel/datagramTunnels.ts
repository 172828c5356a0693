/**
 * Tunnels by plain UDP sockets, where the host's network can be had in no better way: all packets have the tunnel protocol's port as
 * their source, the address that they came to is not known, and type of service, TTL and DF are the host's.
 */
import type { Runtime } from "@weft/runtime";
import type { TunnelHost } from "../netdev.ts";

const ANY = { 4: "0.0.0.0", 6: "::" } as const;

export function datagramTunnels(runtime: Runtime): TunnelHost {
  return {
    async bindTunnel(udpPort, receive) {
      const sockets = {
        4: await runtime.net.datagram({ family: 4, address: ANY[4], port: udpPort }),
        6: await runtime.net.datagram({ family: 6, address: ANY[6], port: udpPort }).catch(() => undefined),
      };
      for (const family of [4, 6] as const) {
        sockets[family]?.onMessage((bytes, { address, port }) =>
          receive(bytes, { src: address, dst: ANY[family], tos: 0, ttl: 64, srcPort: port }),
        );
      }
      return {
        send: (payload, { dst }) => sockets[dst.includes(":") ? 6 : 4]?.send(payload, dst, udpPort),
        close: () => {
          sockets[4].close();
          sockets[6]?.close();
        },
      };
    },
  };
}
