/** Routing protocols of a router's port are spoken by a port of its switch (ovn-nb(5), Logical_Router_Port:options:routing-protocol-redirect). */
import { each } from "@weft/incremental";
import { type Flow, flow } from "../flow.ts";
import { speaksBfd } from "../model/bfd.ts";
import { nb, switchPortsByName } from "../model/nb.ts";
import { routerPort } from "../model/routerPort.ts";
import { switchPort } from "../model/switchPort.ts";
import { LS_IN_CHECK_PORT_SEC, LS_IN_L2_LKUP } from "../stages.ts";

const BFD_PORT = 3784;

/** What belongs to a protocol, by its name in options:routing-protocols. */
const services: Readonly<Record<string, { readonly protocol: "tcp" | "udp"; readonly port: number }>> = {
  BGP: { protocol: "tcp", port: 179 },
  BFD: { protocol: "udp", port: BFD_PORT },
};

export const routingProtocols = each(
  "switch/routingProtocols",
  nb.Logical_Switch_Port,
  function* (uuid, _row, read): Iterable<Flow> {
    const attached = read(switchPort, uuid);
    const router = attached?.peer === undefined ? undefined : read(routerPort, attached.peer);
    const name = router?.options.get("routing-protocol-redirect");
    const target = name === undefined ? undefined : read(switchPortsByName, name)[0];
    const speaker = target === undefined ? undefined : read(switchPort, target);
    if (attached === undefined || router === undefined || speaker?.datapath !== attached.datapath) return;
    const names = new Set((router.options.get("routing-protocols") ?? "").split(","));
    const spoken = [...names].flatMap((protocol) => services[protocol] ?? []);
    if (spoken.length === 0) return;
    const { datapath } = attached;
    const own = { hint: uuid };
    // A router has sessions of BFD of its own beside the speaker's.
    const routerSpeaks = read(speaksBfd, router.name);
    const alone = `outport = ${speaker.json}; output;`;
    const both = `clone { outport = ${speaker.json}; output; }; outport = ${attached.json}; output;`;
    for (const family of [4, 6] as const) {
      for (const { text } of router.address[`ip${family}`]) {
        for (const { protocol, port } of spoken) {
          const actions = port === BFD_PORT && routerSpeaks ? both : alone;
          for (const side of ["dst", "src"]) {
            const match = `ip${family}.dst == ${text} && ${protocol}.${side} == ${port}`;
            yield flow(datapath, LS_IN_L2_LKUP, 100, match, actions, own);
          }
        }
        // Neighbours answer both: the speaker has the router's addresses.
        const answer = family === 4 ? `arp.op == 2 && arp.tpa == ${text}` : `ip6.dst == ${text} && nd_na`;
        yield flow(datapath, LS_IN_L2_LKUP, 100, answer, both, own);
      }
    }
    // The router alone speaks for these addresses.
    for (const what of ["arp.op == 2", "nd_na", "nd_ra"]) {
      yield flow(datapath, LS_IN_CHECK_PORT_SEC, 80, `inport == ${speaker.json} && ${what}`, "reg0[15] = 1; next;", own);
    }
  },
);
