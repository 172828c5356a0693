/** `npm start`: brings up the two labs, sends a ping through each, and tells the packets' journeys from captures. */
import {
  builtinLabs,
  describeSighting,
  EchoRecorder,
  Lab,
  machineCommands,
  parseLab,
  type Sighting,
  serveLab,
  tunnelNames,
} from "@weft/lab";
import { type Host, type Program, WeftError } from "@weft/runtime";
import { labFolder, labSocket, runningLabs } from "./lab/places.ts";
import { labPrograms } from "./lab/programs.ts";

interface Trip {
  readonly lab: string;
  readonly title: string;
  readonly node: string;
  readonly command: readonly string[];
}

const trips: readonly Trip[] = [
  {
    lab: "trunks",
    title: "child1 (VLAN 30 inside vm1 on worker1) pings child2 (VLAN 50 inside vm2 on worker2)",
    node: "worker1",
    command: ["ip", "netns", "exec", "vm1", "ping", "-c1", "192.168.1.14"],
  },
  {
    lab: "routing",
    title: "vm1 (network1 on worker1) pings vm2 (network2 on worker2) through router1",
    node: "worker1",
    command: ["ip", "netns", "exec", "vm1", "ping", "-c1", "192.168.1.11"],
  },
];

function stations(sightings: readonly Sighting[], describe: (sighting: Sighting) => string[]): string {
  return sightings
    .map((sighting, i) => {
      const { node, namespace, device, direction } = sighting;
      const place = `${node}${namespace === "" ? "" : `, in ${namespace}`}: ${direction === "out" ? "leaves by" : "arrives at"} ${device}`;
      return [`  ${String(i + 1).padStart(2)}. ${place}\n`, ...describe(sighting).map((line) => `      ${line}\n`)].join("");
    })
    .join("");
}

async function trip(host: Host, lab: Lab, { title, node, command }: Trip): Promise<void> {
  const say = (text: string) => host.stdout.write(text);
  const recorder = new EchoRecorder(lab);
  await say(`\n${title}\n\n  [${node}]# ${command.join(" ")}\n`);
  const { code, stdout, stderr } = await lab.output(node, command);
  recorder.stop();
  await say(`${stdout}${stderr}`.replace(/^(?=.)/gm, "  "));
  if (code !== 0) throw new WeftError("demo.no-answer", `${command.join(" ")}: exit code ${code}`, { blame: "us" });
  const names = await tunnelNames(lab, "central");
  const { request, reply } = recorder.first();
  const describe = (sighting: Sighting) => describeSighting(sighting, names);
  await say(
    `\n  The request, as captured on its way:\n${stations(request, describe)}\n  The reply:\n${stations(reply, describe)}`,
  );
}

export const demo: Program = async (args, host) => {
  if (args.length > 0) {
    await host.stderr.write("usage: weft demo\n");
    return 2;
  }
  const labs: Lab[] = [];
  const { clock } = host.runtime;
  try {
    for (const one of trips) {
      const start = clock.now();
      const lab = new Lab(parseLab(builtinLabs.get(one.lab) ?? "", one.lab), host.runtime, labPrograms, machineCommands);
      labs.push(lab);
      await lab.start();
      await host.stdout.write(
        `${labs.length === 1 ? "" : "\n"}lab ${one.lab}: ${[...lab.nodes.keys()].join(", ")} up in ${((clock.now() - start) / 1000).toFixed(2)} s\n`,
      );
      await trip(host, lab, one);
    }
    if (host.stdout.isTerminal) await stay(host, labs);
    return 0;
  } finally {
    for (const lab of labs) await lab.stop();
  }
};

/** Serves the labs to other terminals until interrupted. */
async function stay(host: Host, labs: readonly Lab[]): Promise<void> {
  await host.runtime.files.mkdir(labFolder(host));
  const running = await runningLabs(host);
  const served = labs.filter(({ definition }) => !running.includes(definition.name));
  const listeners = await Promise.all(served.map((lab) => serveLab(lab, labSocket(host, lab.definition.name), () => undefined)));
  await host.stdout.write(`
Both labs stay up until Ctrl-C. Look around from another terminal:

  npx weft lab shell worker1 --lab trunks
  npx weft lab exec central --lab routing -- ovn-nbctl show
  npx weft lab exec worker2 --lab trunks -- ovs-ofctl dump-flows br-int table=65
`);
  await new Promise<void>((resolve) => {
    if (host.signal.aborted) resolve();
    host.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  for (const listener of listeners) await listener.close();
}
