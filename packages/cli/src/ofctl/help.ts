/** What `ovs-ofctl --help` prints. */
export const helpText = `ovs-ofctl: OpenFlow switch management utility
usage: ovs-ofctl [OPTIONS] COMMAND [ARG...]

Flows:
  dump-flows SWITCH [FLOW]       flows, all or those within FLOW
  dump-aggregate SWITCH [FLOW]   their number and counters
  add-flow SWITCH FLOW           adds FLOW
  add-flows SWITCH FILE          adds the flows of FILE
  mod-flows SWITCH FLOW          gives matching flows other actions
  del-flows SWITCH [FLOW]        deletes matching flows
  replace-flows SWITCH FILE      makes the flows those of FILE
  diff-flows SOURCE1 SOURCE2     compares switches or files
  packet-out SWITCH PACKET-OUT   runs actions on a packet
  bundle SWITCH FILE             flows and groups in one transaction

Groups and meters:
  add-group, mod-group, del-groups, insert-buckets, remove-buckets SWITCH GROUP
  add-groups SWITCH FILE
  dump-groups, dump-group-stats SWITCH [GROUP]
  dump-group-features SWITCH
  add-meter, mod-meter SWITCH METER
  del-meters, dump-meters, meter-stats SWITCH [METER]
  meter-features SWITCH

The switch, its tables, ports and queues:
  show SWITCH                    features, ports, configuration
  dump-desc SWITCH               who made it
  dump-tables, dump-table-features, dump-table-desc SWITCH
  mod-table SWITCH TABLE SETTING
  dump-ports, dump-ports-desc SWITCH [PORT]
  mod-port SWITCH PORT ACTION
  queue-stats, queue-get-config SWITCH [PORT [QUEUE]]
  get-frags SWITCH
  set-frags SWITCH MODE
  add-tlv-map SWITCH MAP
  del-tlv-map SWITCH [MAP]
  dump-tlv-map SWITCH
  dump-ipfix-bridge, dump-ipfix-flow SWITCH
  ct-flush-zone SWITCH ZONE
  ct-flush SWITCH [zone=N] [mark=X[/M]] [labels=Y[/N]] [TUPLE [TUPLE]]

Watching:
  monitor SWITCH [MISSLEN] [invalid_ttl] [watch:[...]]
  snoop SWITCH
  probe TARGET
  ping TARGET [N]
  benchmark TARGET N COUNT
  ofp-parse FILE                 messages of FILE as text

SWITCH is a bridge, a socket's file, or tcp:HOST[:PORT], ssl:HOST[:PORT], unix:FILE.

Options:
  -O, --protocols=VERSIONS    OpenFlow versions, e.g. OpenFlow13 (default: OpenFlow10)
  -F, --flow-format=FORMATS   flow formats, e.g. nxm
  -P, --packet-in-format=F    standard, nxt_packet_in, nxt_packet_in2
  --strict                    wildcards must be the same too
  --bundle                    as one transaction (OpenFlow 1.4 and later)
  --readd                     replace-flows adds every flow again
  --may-create                mod-group creates a missing group
  --read-only                 nothing that changes the switch
  --sort[=FIELD], --rsort[=FIELD]
  --names, --no-names         port and table names
  --stats, --no-stats         counters and times of flows
  -m, --more                  more of each message
  -t, --timeout=SECS          gives up after SECS seconds
  -h, --help
  -V, --version
`;
