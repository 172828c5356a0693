/** Single changes of a northbound database, as operations of one transaction (RFC 7047 section 5.2), each a little different. */
import { mac } from "./networks.ts";

/** Where a network is changed, by names. */
export interface Places {
  readonly router: string;
  /** A neighbour of the router. */
  readonly nexthop: string;
  readonly switch: string;
  /** Backends of new load balancers. */
  readonly backends: string;
  readonly portGroup: string | undefined;
  readonly loadBalancerGroup: string | undefined;
}

export interface Change {
  readonly what: string;
  readonly operations: (i: number) => object[];
}

/** A row more, in columns of rows of that name. */
function added(
  table: string,
  row: object,
  ...holders: readonly (readonly [table: string, name: string, column: string])[]
): object[] {
  return [
    { op: "insert", table, "uuid-name": "added", row },
    ...holders.map(([holder, name, column]) => ({
      op: "mutate",
      table: holder,
      where: [["name", "==", name]],
      mutations: [[column, "insert", ["set", [["named-uuid", "added"]]]]],
    })),
  ];
}

export function changesOf(places: Places): readonly Change[] {
  const { router, nexthop, backends, portGroup, loadBalancerGroup } = places;
  const balancer = (i: number, net: number) => ({
    name: `added${net}-${i}`,
    protocol: "tcp",
    vips: ["map", [[`10.${net}.${i >> 8}.${i & 255}:80`, backends]]],
  });
  const changes: Change[] = [
    { what: "nothing but its number", operations: () => [] },
    {
      what: "one more static route",
      operations: (i) =>
        added("Logical_Router_Static_Route", { ip_prefix: `10.250.${i}.0/24`, nexthop }, [
          "Logical_Router",
          router,
          "static_routes",
        ]),
    },
    {
      what: "one more load balancer, on a switch and a router",
      operations: (i) =>
        added(
          "Load_Balancer",
          balancer(i, 97),
          ["Logical_Switch", places.switch, "load_balancer"],
          ["Logical_Router", router, "load_balancer"],
        ),
    },
    {
      what: "one more router port",
      operations: (i) =>
        added("Logical_Router_Port", { name: `added-${router}-${i}`, mac: mac(0xdd, i, 1), networks: `10.251.${i}.1/24` }, [
          "Logical_Router",
          router,
          "ports",
        ]),
    },
  ];
  if (portGroup !== undefined) {
    changes.push({
      what: "one more ACL in a port group",
      operations: (i) => {
        const match = `outport == @${portGroup} && ip4 && udp.dst == ${5000 + i}`;
        const row = { direction: "to-lport", priority: 900 - i, match, action: "allow-related" };
        return added("ACL", row, ["Port_Group", portGroup, "acls"]);
      },
    });
  }
  if (loadBalancerGroup !== undefined) {
    changes.push({
      what: "one more load balancer in a group",
      operations: (i) => added("Load_Balancer", balancer(i, 98), ["Load_Balancer_Group", loadBalancerGroup, "load_balancer"]),
    });
  }
  return changes;
}
