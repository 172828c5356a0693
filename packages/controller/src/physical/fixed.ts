/** Flows that every chassis has, whatever its ports. */
import { each } from "@weft/incremental";
import type { Action, Subfield } from "@weft/openflow";
import { type Settings, settings } from "../model/inputs.ts";
import { flag, reg, tables as t } from "../tables.ts";
import { all, bits, clearRegisters, type DesiredFlow, ETH, flow, type MatchSpec, move, resubmit, set } from "./flow.ts";

const CT = { new: 0x1, est: 0x2, trk: 0x20 };

function fallback(table: number, ...actions: Action[]): DesiredFlow {
  return flow({ table, priority: 0, match: {}, actions });
}

/** Loads a field of conntrack's original tuple: for a new connection, and for an established one. */
function* originalTuple(table: number, match: MatchSpec, src: Subfield, dst: Subfield): Iterable<DesiredFlow> {
  const load = move(src, dst);
  const state = (bit: number): MatchSpec => ({ ct_state: [bit | CT.trk, bit | CT.trk], ...match });
  yield flow({ table, priority: 100, match: state(CT.new), actions: [load, load] });
  yield flow({ table, priority: 100, match: state(CT.est), actions: [load] });
}

export const fixedFlows = each<DesiredFlow, 0, Settings>("fixedFlows", settings, function* () {
  yield fallback(t.physToLog);
  yield fallback(t.outputInit, resubmit(t.remoteOutput));
  yield flow({
    table: t.largePacket,
    priority: 10,
    match: { [reg.flags]: [flag.allowLoopback, flag.allowLoopback] },
    actions: [resubmit(t.localOutput)],
  });
  yield fallback(t.largePacket, resubmit(t.remoteOutput));
  yield flow({
    table: t.remoteOutput,
    priority: 150,
    match: { [reg.flags]: [flag.rcvFromRamp, flag.rcvFromRamp | flag.allowLoopback] },
    actions: [resubmit(t.localOutput)],
  });
  yield flow({
    table: t.remoteOutput,
    priority: 150,
    match: { [reg.flags]: [flag.localOnly, flag.localOnly] },
    actions: [resubmit(t.localOutput)],
  });
  yield fallback(t.remoteOutput, resubmit(t.remoteVtepOutput));
  yield fallback(t.remoteVtepOutput, resubmit(t.localOutput));
  yield fallback(t.localOutput);
  yield fallback(t.checkLoopback, ...clearRegisters, resubmit(t.logEgress));
  yield fallback(t.saveInport, resubmit(t.logToPhys));
  yield fallback(t.logToPhys);
  yield fallback(t.getFdb, set(reg.outport, 0));
  yield fallback(t.ctZoneLookup, resubmit(t.logIngress));
  yield* originalTuple(t.ctOrigIp4, { eth_type: ETH.ip }, all("ct_nw_dst"), bits("xxreg1", 0, 32));
  yield* originalTuple(t.ctOrigIp6, { eth_type: ETH.ipv6 }, all("ct_ipv6_dst"), all("xxreg1"));
  yield* originalTuple(t.ctOrigPort, {}, all("ct_tp_dst"), bits("xxreg1", 0, 16));
  yield flow({ table: t.ctStateSave, priority: 65535, match: { ct_state: [0, CT.trk] }, actions: [set("reg4", 0, 0xff)] });
  yield flow({
    table: t.ctStateSave,
    priority: 65534,
    match: {},
    actions: [move(bits("ct_state", 0, 8), bits("reg4", 0, 8))],
  });
  yield* originalTuple(t.ctOrigProto, {}, all("ct_nw_proto"), bits("xxreg1", 0, 8));
  yield fallback(t.getRemoteFdb, set("reg1", 0));
});
