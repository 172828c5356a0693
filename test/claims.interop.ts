/** Which of a port's interfaces our controller and the reference's take: external_ids:iface-id-ver (ovn-nb(5), iface-id-ver). */
import { expect, test } from "vitest";
import { controllerPair } from "./reference/controllerPair.ts";

const pair = controllerPair("ovn-nbctl ls-add s -- lsp-add s p1 -- lsp-add s p2", ["p1", "p2"]);

/** Of later mismatches the reference drops some lines. */
const STATE = `
  echo $(ovn-sbctl get Port_Binding p1 chassis | grep -c -) claimed, \
    $(hv_do w1 ovs-vsctl get Interface p1 external_ids | grep -c ovn-installed=) installed, \
    $(hv_do w1 ovs-ofctl -O OpenFlow15 dump-flows br-int table=0 | grep -c in_port=) ports
  sed -n 's/.*binding.INFO.//p' $DIR/w1/controller.log | grep -v "p2\\|barrier\\|up in\\|down in\\|^Dropped\\|found 8" | sort -u`;

const port = (version: string): string => `ovn-nbctl lsp-set-options p1 ${version === "" ? "" : `iface-id-ver=${version}`}`;
const iface = (version: string): string => `hv_do w1 ovs-vsctl set Interface p1 external_ids:iface-id-ver=${version}`;

test.each([
  ["a port that asks for none", "", "1 claimed, 1 installed, 3 ports"],
  ["one that the interface has not", port("7"), "expected 7, found <empty>"],
  ["one that it gets", iface("7"), "1 claimed, 1 installed, 3 ports"],
  ["another", iface("8"), "0 claimed, 0 installed, 2 ports"],
  ["that the port asks for, too", port("8"), "1 claimed, 1 installed, 3 ports"],
  ["one that nobody asks for", port(""), "1 claimed, 1 installed, 3 ports"],
])(
  "%s",
  async (_what, script, expected) => {
    pair.run(script);
    expect(await pair.sameRows(STATE, expected)).not.toBe("");
  },
  60_000,
);
