/** Brings a lab up in this process and serves it until it is told to end. */
import { Lab, type LabDefinition, machineCommands, type Published, serveLab } from "@weft/lab";
import type { Host } from "@weft/runtime";
import { labPrograms } from "./programs.ts";

export async function bringUp(host: Host, definition: LabDefinition, socket: string): Promise<number> {
  const lab = new Lab(definition, host.runtime, labPrograms, machineCommands, host.runtime.net);
  try {
    await lab.start();
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    host.signal.addEventListener("abort", end, { once: true });
    const listener = await serveLab(lab, socket, end);
    const open = lab.published.map((port) => `${publishedText(port)}\n`).join("");
    const said = `lab ${definition.name} is up: ${[...lab.nodes.keys()].join(", ")}\n${open}look around with: weft lab shell NODE, weft lab exec NODE -- COMMAND; weft lab down ends it\n`;
    if (host.ready) host.ready(said);
    else await host.stdout.write(said);
    await ended;
    await listener.close();
    return 0;
  } finally {
    await lab.stop();
  }
}

/** "central: northbound database on tcp:127.0.0.1:6641" */
export function publishedText({ node, port, endpoint }: Published): string {
  return `${node}: ${port === 6641 ? "northbound" : "southbound"} database on ${endpoint}`;
}
