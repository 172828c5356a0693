/** The interconnection northbound database: transit switches as the administrator wants them (ovn-ic-nb(5)). */
import type { SchemaJson } from "@weft/ovsdb";
import { boolean, ephemeral, integer, optional, range, set, string, strings, strong, uuid } from "./types.ts";

export const ovnIcNorthbound = {
  name: "OVN_IC_Northbound",
  version: "1.3.0",
  cksum: "1918565391 5082",
  tables: {
    IC_NB_Global: {
      columns: {
        nb_ic_cfg: integer,
        sb_ic_cfg: integer,
        external_ids: strings,
        connections: set(strong("Connection")),
        ssl: optional(strong("SSL")),
        options: strings,
      },
      maxRows: 1,
      isRoot: true,
    },
    Transit_Switch: {
      columns: {
        name: string,
        other_config: strings,
        external_ids: strings,
      },
      indexes: [["name"]],
      isRoot: true,
    },
    Transit_Router: {
      columns: {
        name: string,
        ports: set(strong("Transit_Router_Port")),
        other_config: strings,
        external_ids: strings,
      },
      indexes: [["name"]],
      isRoot: true,
    },
    Transit_Router_Port: {
      columns: {
        name: string,
        other_config: strings,
        mac: string,
        chassis: string,
        networks: set(string),
        tr_uuid: uuid,
      },
      indexes: [["name"]],
    },
    Connection: {
      columns: {
        target: string,
        max_backoff: optional(range(1000)),
        inactivity_probe: optional(integer),
        other_config: strings,
        external_ids: strings,
        is_connected: ephemeral(boolean),
        status: ephemeral(strings),
      },
      indexes: [["target"]],
    },
    SSL: {
      columns: {
        private_key: string,
        certificate: string,
        ca_cert: string,
        bootstrap_ca_cert: boolean,
        ssl_protocols: string,
        ssl_ciphers: string,
        ssl_ciphersuites: string,
        external_ids: strings,
      },
      maxRows: 1,
    },
  },
} as const satisfies SchemaJson;
