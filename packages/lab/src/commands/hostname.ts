import { formatIp } from "../machine/ip.ts";
import type { Command } from "../machine/machine.ts";

/** hostname(1): prints the machine's name; -s, -f and -I too. */
export const hostname: Command = async (args, { host, machine, namespace }) => {
  const [option] = args;
  if (option === "-I" || option === "--all-ip-addresses") {
    const addresses = namespace.addresses
      .filter(({ scope }) => scope === "global")
      .map(({ network }) => formatIp(network.address));
    await host.stdout.write(`${addresses.join(" ")} \n`);
    return 0;
  }
  if (option !== undefined && !["-s", "-f", "--short", "--fqdn", "--long"].includes(option)) {
    await host.stderr.write("hostname: you must not change the name of an emulated machine\n");
    return 1;
  }
  await host.stdout.write(`${machine.name}\n`);
  return 0;
};
