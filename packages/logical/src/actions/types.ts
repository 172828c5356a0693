/** Actions of logical flows as values. Source: ovn-sb(5), Logical_Flow, column actions. */
import type { Constant, FieldRef } from "../match/expression.ts";

export type Pipeline = "ingress" | "egress";

/** A logical table. */
export interface Stage {
  readonly pipeline: Pipeline;
  readonly table: number;
}

export type NatName = "ct_dnat" | "ct_snat" | "ct_dnat_in_czone" | "ct_snat_in_czone";

/** Actions that work on another packet, made from the one at hand, and then run `actions` on it. */
export type NestedName =
  | "clone"
  | "arp"
  | "icmp4"
  | "icmp4_error"
  | "icmp6"
  | "icmp6_error"
  | "tcp_reset"
  | "sctp_abort"
  | "reject"
  | "nd_ns"
  | "nd_na"
  | "nd_na_router";

export interface IpAddress {
  readonly family: 4 | 6;
  readonly value: bigint;
}

export interface Backend {
  readonly ip: IpAddress;
  /** 0: none. */
  readonly port: number;
  /** ct_lb_mark_local: the logical port behind which the backend is. */
  readonly logicalPort?: string;
}

/** An option of put_dhcp_opts, put_dhcpv6_opts or put_nd_ra_opts with its values. */
export interface OptionValue {
  readonly name: string;
  readonly code: number;
  readonly type: string;
  readonly values: readonly Constant[];
}

export type LoadBalanceName = "ct_lb" | "ct_lb_mark" | "ct_lb_mark_local";

/** `R = f();`: actions that leave one bit or a value in a field and have no operands. */
export type QueryName =
  | "dns_lookup"
  | "chk_lb_hairpin"
  | "chk_lb_hairpin_reply"
  | "check_in_port_sec"
  | "check_out_port_sec"
  | "chk_ecmp_nh_mac"
  | "chk_ecmp_nh"
  | "chk_lb_aff"
  | "ct_nw_dst"
  | "ct_ip6_dst"
  | "ct_tp_dst"
  | "ct_proto"
  | "ct_state_save";

/** Actions without operands. */
export type PlainName =
  | "ct_clear"
  | "ct_snat_to_vip"
  | "igmp"
  | "handle_dhcpv6_reply"
  | "handle_bfd_msg"
  | "mac_cache_use"
  | "flood_remote";

export type LogVerdict = "allow" | "drop" | "reject" | "pass" | "unknown";
export type LogSeverity = "alert" | "warning" | "notice" | "info" | "debug";

export type SampleObservation =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "cookie" }
  | { readonly kind: "field"; readonly field: FieldRef };

export type LogicalAction =
  | { readonly kind: "output" }
  | { readonly kind: "next"; readonly to: Stage; readonly from: Stage }
  | { readonly kind: "load"; readonly dst: FieldRef; readonly value: Constant }
  | { readonly kind: "move"; readonly dst: FieldRef; readonly src: FieldRef }
  | { readonly kind: "exchange"; readonly a: FieldRef; readonly b: FieldRef }
  | { readonly kind: "dec_ttl" }
  | { readonly kind: "push" | "pop"; readonly field: FieldRef }
  | { readonly kind: "plain"; readonly name: PlainName }
  | { readonly kind: "nested"; readonly name: NestedName; readonly actions: readonly LogicalAction[] }
  | { readonly kind: "query"; readonly name: QueryName; readonly dst: FieldRef }
  // connection tracking
  | { readonly kind: "ct_next"; readonly zone: "dnat" | "snat"; readonly next: number }
  | { readonly kind: "ct_commit"; readonly actions: readonly LogicalAction[] }
  | { readonly kind: "ct_commit_to_zone"; readonly zone: "dnat" | "snat"; readonly next: number }
  | { readonly kind: "ct_commit_nat"; readonly zone: "dnat" | "snat"; readonly next: number }
  | {
      readonly kind: "ct_nat";
      readonly name: NatName;
      readonly next: number;
      readonly address?: IpAddress;
      readonly ports?: { readonly low: number; readonly high: number | undefined };
    }
  | {
      readonly kind: "ct_lb";
      readonly name: LoadBalanceName;
      readonly next: number;
      /** Undefined: ct_lb without operands. */
      readonly backends: readonly Backend[] | undefined;
      readonly hashFields: string | undefined;
      readonly flag: "skip_snat" | "force_snat" | undefined;
    }
  | {
      readonly kind: "select";
      readonly dst: FieldRef;
      readonly next: number;
      readonly values: readonly { readonly value: number; readonly weight: number }[];
      readonly hashFields: string | undefined;
    }
  // neighbours and forwarding database
  | { readonly kind: "get_mac"; readonly name: "get_arp" | "get_nd"; readonly port: FieldRef; readonly ip: FieldRef }
  | {
      readonly kind: "put_mac";
      readonly name: "put_arp" | "put_nd";
      readonly port: FieldRef;
      readonly ip: FieldRef;
      readonly mac: FieldRef;
    }
  | {
      readonly kind: "lookup_mac";
      readonly name: "lookup_arp" | "lookup_nd";
      readonly dst: FieldRef;
      readonly port: FieldRef;
      readonly ip: FieldRef;
      readonly mac: FieldRef;
    }
  | {
      readonly kind: "lookup_ip";
      readonly name: "lookup_arp_ip" | "lookup_nd_ip";
      readonly dst: FieldRef;
      readonly port: FieldRef;
      readonly ip: FieldRef;
    }
  | { readonly kind: "put_fdb"; readonly port: FieldRef; readonly mac: FieldRef }
  | { readonly kind: "get_fdb"; readonly name: "get_fdb" | "get_remote_fdb"; readonly dst: FieldRef; readonly mac: FieldRef }
  | { readonly kind: "lookup_fdb"; readonly dst: FieldRef; readonly port: FieldRef; readonly mac: FieldRef }
  // answers made by the controller
  | {
      readonly kind: "put_opts";
      readonly name: "put_dhcp_opts" | "put_dhcpv6_opts" | "put_nd_ra_opts";
      readonly dst: FieldRef;
      readonly options: readonly OptionValue[];
    }
  | {
      readonly kind: "dhcp_relay";
      readonly name: "dhcp_relay_req_chk" | "dhcp_relay_resp_chk";
      readonly dst: FieldRef;
      readonly relay: number;
      readonly server: number;
    }
  | {
      readonly kind: "log";
      readonly name: string | undefined;
      readonly verdict: LogVerdict;
      readonly severity: LogSeverity;
      readonly meter: string | undefined;
    }
  | {
      readonly kind: "trigger_event";
      readonly event: "empty_lb_backends";
      readonly options: readonly { readonly name: string; readonly code: number; readonly value: string }[];
    }
  | { readonly kind: "bind_vport"; readonly port: string; readonly parent: FieldRef }
  | { readonly kind: "handle_svc_check"; readonly port: FieldRef }
  // quality of service, sampling, mirrors, groups
  | { readonly kind: "set_queue"; readonly queue: number }
  | { readonly kind: "set_meter"; readonly rate: number; readonly burst: number }
  | { readonly kind: "check_pkt_larger"; readonly dst: FieldRef; readonly length: number }
  | {
      readonly kind: "sample";
      readonly probability: number;
      readonly collectorSet: number;
      readonly obsDomain: number;
      readonly obsPoint: SampleObservation;
    }
  | { readonly kind: "mirror"; readonly port: string }
  | { readonly kind: "fwd_group"; readonly liveness: boolean; readonly ports: readonly string[] }
  | { readonly kind: "commit_ecmp_nh"; readonly ipv6: boolean; readonly proto: "tcp" | "udp" | "sctp" }
  | {
      readonly kind: "commit_lb_aff";
      readonly vip: IpAddress;
      readonly vipPort: number;
      readonly backend: IpAddress;
      readonly backendPort: number;
      readonly proto: "tcp" | "udp" | "sctp" | undefined;
      readonly timeout: number;
    };

export type LogicalActionOf<K extends LogicalAction["kind"]> = Extract<LogicalAction, { kind: K }>;
