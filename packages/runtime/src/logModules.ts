/**
 * The modules whose messages a program can have, as `vlog/list` names them (ovs-appctl(8)): those that ours logs under, and those that
 * the originals have besides, so that scripts which set their levels find them.
 */

const names = (text: string): readonly string[] => text.trim().split(/\s+/);

const EVERYWHERE = names(`
  backtrace bundle command_line conntrack conntrack_tp cooperative_multitasking coverage ct_dpif daemon daemon_unix
  dns_resolve dp_packet_gso dpdk dpif dpif_netdev dpif_netlink dpif_netlink_rtnl dpif_offload dpif_offload_dummy
  dpif_offload_tc dpif_offload_tc_netdev entropy fatal_signal flow hmap ipf jsonrpc lockfile memory meta_flow native_tnl
  netdev netdev_dummy netdev_linux netdev_vport netlink netlink_conntrack netlink_notifier netlink_socket nx_match
  odp_execute odp_util ofp_actions ofp_bundle ofp_connection ofp_ct ofp_errors ofp_flow ofp_group ofp_match ofp_meter
  ofp_monitor ofp_msgs ofp_packet ofp_port ofp_protocol ofp_queue ofp_table ofp_util ovs_numa ovs_rcu ovs_replay
  ovs_router ovs_thread ovsdb_cs ovsdb_error ovsdb_idl ox_stat pcap pmd_perf poll_loop process reconnect route_table
  sha1 signals socket_util socket_util_unix stream stream_fd stream_replay stream_ssl stream_tcp stream_unix svec tc
  timeval unixctl userspace_tso util uuid vlog
`);

const OF_PROGRAM: Readonly<Record<string, readonly string[]>> = {
  "ovsdb-server": names(`
    dpif_netdev_dpcls netdev_afxdp ovsdb ovsdb_file ovsdb_jsonrpc_server ovsdb_log ovsdb_monitor ovsdb_rbac ovsdb_server
    ovsdb_util raft raft_rpc relay replication storage transaction transaction_forward trigger
  `),
  "ovn-northd": names(`
    datapath_sync debug dpif_lookup_autovalidator dpif_lookup_generic dpif_mfex_extract_study dpif_netdev_extract
    dpif_netdev_impl dpif_netdev_lookup en_datapath_logical_router en_datapath_logical_switch en_global_config
    en_group_ecmp_route en_lb_data en_learned_route_sync en_lflow en_lr_nat en_lr_stateful en_ls_arp en_ls_stateful
    en_meters en_multicast en_northd en_port_group en_sampling_app en_sync_from_sb en_sync_to_sb expr inc_proc_eng
    inc_proc_northd ipam lb lflow_mgr mac_binding_aging mac_binding_index memory_trim northd northd_acl_ids northd_lb
    odp_execute_impl ovn_northd ovn_parallel_hmap ovn_util rconn stopwatch vconn vconn_stream
  `),
  "ovn-controller": names(`
    acl_ids acl_log actions binding chassis controller_lb ct_zone dpif_lookup_autovalidator dpif_lookup_generic
    dpif_mfex_extract_study dpif_netdev_extract dpif_netdev_impl dpif_netdev_lookup encaps evpn_arp evpn_binding
    evpn_fdb exchange expr extend_table features garp_rarp ha_chassis host_if_monitor if_status inc_proc_eng lb ldata
    lflow lflow_cache lport mac_binding_index mac_cache main memory_trim neighbor neighbor_exchange
    neighbor_exchange_netlink neighbor_table_notify netlink_devlink odp_execute_impl ofctrl ovn_bfd ovn_util ovndns
    ovsport patch physical pinctrl port_mirror rconn resource_dep route_exchange route_exchange_netlink
    route_table_notify statctrl stopwatch vconn vconn_stream vif_plug vif_plug_dummy vif_plug_provider
    vif_plug_representor
  `),
  "ovs-vswitchd": names(`
    bfd bond bridge bundles cfm collectors connmgr dpif_netdev_dpcls fail_open in_band ipfix lacp lldp lldpd
    lldpd_structs netdev_afxdp netflow ofproto ofproto_dpif ofproto_dpif_mirror ofproto_dpif_monitor ofproto_dpif_rid
    ofproto_dpif_upcall ofproto_dpif_xlate ofproto_xlate_cache ovs_lldp rconn rstp rstp_sm sflow stp system_stats tunnel
    vconn vconn_stream vswitchd
  `),
};

const OF_TOOLS = names("controller db_ctl_base learning_switch nbctl ofctl ovn_dbctl ovntrace ovsdb_client sbctl vsctl");

/** Of a daemon; of any other program, the modules of all. */
export function logModulesOf(program: string): ReadonlySet<string> {
  const own = OF_PROGRAM[program] ?? [...Object.values(OF_PROGRAM).flat(), ...OF_TOOLS];
  return new Set([...EVERYWHERE, ...own]);
}
