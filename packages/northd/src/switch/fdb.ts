/** Learning of MAC addresses behind ports with unknown addresses (ovn-northd(8), ingress tables 3 and 4, egress tables 0 and 1). */
import { each } from "@weft/incremental";
import { type Flow, flow } from "../flow.ts";
import { nb } from "../model/nb.ts";
import { type SwitchPort, switchPort } from "../model/switchPort.ts";
import { LS_IN_LOOKUP_FDB, LS_IN_PUT_FDB, LS_OUT_LOOKUP_FDB, LS_OUT_PUT_FDB } from "../stages.ts";

export const fdb = each("switch/fdb", nb.Logical_Switch_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(switchPort, uuid);
  if (port === undefined || port.secured || !(port.unknown || port.type === "switch")) return;
  if (port.type === "remote") yield* fromFar(port);
  const localnet = port.type === "localnet" && port.options.get("localnet_learn_fdb") === "true";
  if (!localnet && port.type !== "" && port.type !== "switch") return;
  const { datapath, json } = port;
  const own = { hint: uuid, port: port.name };
  const mark = localnet ? "flags.localnet = 1; " : "";
  yield flow(datapath, LS_IN_LOOKUP_FDB, 100, `inport == ${json}`, `${mark}reg0[11] = lookup_fdb(inport, eth.src); next;`, own);
  yield flow(datapath, LS_IN_PUT_FDB, 100, `inport == ${json} && reg0[11] == 0`, "put_fdb(inport, eth.src); next;", own);
});

/** Packets of another zone's ports come in by the egress pipeline. */
function* fromFar({ datapath, uuid, name, json }: SwitchPort): Iterable<Flow> {
  const own = { hint: uuid, port: name };
  yield flow(datapath, LS_OUT_LOOKUP_FDB, 100, `inport == ${json}`, "reg0[11] = lookup_fdb(inport, eth.src); next;", own);
  yield flow(datapath, LS_OUT_PUT_FDB, 100, `inport == ${json} && reg0[11] == 0`, "put_fdb(inport, eth.src); next;", own);
}
