/** BFD messages of a router's ports: to the controller, and out without a detour (ovn-northd(8), "IP Input"). */
import { each } from "@weft/incremental";
import { type Flow, flow } from "../flow.ts";
import { speaksBfd } from "../model/bfd.ts";
import { metered } from "../model/copp.ts";
import { nb } from "../model/nb.ts";
import { routerPort } from "../model/routerPort.ts";
import { LR_IN_IP_INPUT } from "../stages.ts";
import { oneOf } from "./ipInput.ts";
import { BFD } from "./routing.ts";

export const bfd = each("router/bfd", nb.Logical_Router_Port, function* (uuid, _row, read): Iterable<Flow> {
  const port = read(routerPort, uuid);
  if (port === undefined || !read(speaksBfd, port.name)) return;
  const own = { hint: uuid };
  const asked = { ...own, ...metered(port.datapath, "bfd", read) };
  for (const [family, addresses] of [
    [4, port.address.ip4],
    [6, port.address.ip6],
  ] as const) {
    if (addresses.length === 0) continue;
    const texts = oneOf(addresses.map(({ text }) => text));
    yield flow(port.datapath, LR_IN_IP_INPUT, 110, `ip${family}.src == ${texts} && ${BFD}`, "next; ", own);
    yield flow(port.datapath, LR_IN_IP_INPUT, 110, `ip${family}.dst == ${texts} && ${BFD}`, "handle_bfd_msg(); ", asked);
  }
});
