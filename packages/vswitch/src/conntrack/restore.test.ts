import { expect, it } from "vitest";
import { ConnectionTracker } from "./conntrack.ts";
import { formatConnection } from "./dump.ts";
import { restoreConnection } from "./restore.ts";

const lines = [
  "icmp,orig=(src=10.0.0.1,dst=10.0.0.2,id=7,type=8,code=0),reply=(src=10.0.0.2,dst=10.0.0.1,id=7,type=0,code=0),zone=3",
  "tcp,orig=(src=10.0.0.1,dst=172.16.0.1,sport=40000,dport=80),reply=(src=10.0.0.9,dst=10.0.0.1,sport=8080,dport=40000),zone=5,mark=2,labels=0x1234567800000000000000000000abcd,protoinfo=(state=ESTABLISHED)",
  "udp,orig=(src=fd00::1,dst=fd00::2,sport=1,dport=53),reply=(src=fd00::2,dst=fd00::1,sport=53,dport=1)",
];

it.each(lines)("%s", (line) => {
  const tracker = new ConnectionTracker({ uint32: () => 1 });
  expect(restoreConnection(tracker, line, 0)).toBe(true);
  const dumped = [...tracker.connections()].map(({ family, table, index }) =>
    formatConnection(family, table, index, 0, { more: false, statistics: false }),
  );
  expect(dumped).toEqual([line]);
  expect(restoreConnection(tracker, line, 0)).toBe(false);
});

it.each([
  "",
  "icmp",
  "igmp,orig=(src=1.2.3.4,dst=1.2.3.5),reply=(src=1.2.3.5,dst=1.2.3.4)",
  "tcp,orig=(src=a,dst=b),reply=(src=b,dst=a)",
])("is no connection: %s", (line) => expect(restoreConnection(new ConnectionTracker({ uint32: () => 1 }), line, 0)).toBe(false));
