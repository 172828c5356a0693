/** ip(8) of an emulated machine: objects link, address, route, neighbour and netns, with -d, -br, -j, -p, -o, -s, -4, -6, -n. */
import { WeftError } from "@weft/runtime";
import type { Command, CommandContext } from "../../machine/machine.ts";
import { ipAddress } from "./address.ts";
import { ipLink } from "./link.ts";
import { ipNeighbour } from "./neighbour.ts";
import type { IpOptions } from "./output.ts";
import { jsonText } from "./output.ts";
import { ipRoute } from "./route.ts";
import { abbreviated, IpError } from "./words.ts";

type Options = { -readonly [K in keyof IpOptions]: IpOptions[K] } & { netns: string | undefined };

type Show = (words: readonly string[], context: CommandContext, options: IpOptions) => string;

/** In ip(8)'s order, which decides what an abbreviation means. */
const objects: readonly (readonly [string, Show | "netns"])[] = [
  ["address", ipAddress],
  ["route", ipRoute],
  ["neighbor", ipNeighbour],
  ["neighbour", ipNeighbour],
  ["link", ipLink],
  ["netns", "netns"],
];

const usage = `Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }
where  OBJECT := { address | link | neighbor | netns | route }
       OPTIONS := { -d[etails] | -br[ief] | -j[son] | -p[retty] | -o[neline] |
                    -s[tatistics] | -4 | -6 | -n[etns] NAME }
`;

/** Takes the options before the object; returns the words from the object on. */
function parseOptions(args: readonly string[], options: Options): readonly string[] {
  const flags: readonly (readonly [string, () => void])[] = [
    ["-details", () => void (options.details = true)],
    ["-brief", () => void (options.brief = true)],
    ["-json", () => void (options.json = true)],
    ["-pretty", () => void (options.pretty = true)],
    ["-oneline", () => void (options.oneline = true)],
    ["-statistics", () => void (options.statistics = true)],
    ["-stats", () => void (options.statistics = true)],
    ["-4", () => void (options.family = 4)],
    ["-6", () => void (options.family = 6)],
    ["-color", () => undefined],
  ];
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    if (!word.startsWith("-")) return args.slice(at);
    const plain = word.startsWith("--") ? word.slice(1) : word;
    if ("-netns".startsWith(plain) && plain.length > 1) {
      options.netns = args[++at];
      if (options.netns === undefined) throw new IpError('Command line is not complete. Try option "help"');
      continue;
    }
    if ("-family".startsWith(plain) && plain.length > 1) {
      const name = args[++at];
      options.family = name === "inet6" ? 6 : 4;
      continue;
    }
    const set = abbreviated(flags, plain);
    if (!set) throw new IpError(`Option "${plain}" is unknown, try "ip -help".`);
    set();
  }
  return [];
}

async function netns(words: readonly string[], context: CommandContext, options: IpOptions): Promise<number> {
  const { machine, host } = context;
  const [verb = "list", name, ...command] = words;
  const needsName = () => {
    if (name === undefined) throw new IpError("No netns name specified");
    return name;
  };
  const verbs = [
    ["add", () => void machine.addNamespace(needsName())],
    ["delete", () => void machine.removeNamespace(needsName())],
    ["exec", () => context.run(command, { namespace: machine.namespace(needsName()) })],
    ["identify", () => host.stdout.write(context.namespace.name === "" ? "" : `${context.namespace.name}\n`)],
    [
      "list",
      () =>
        host.stdout.write(
          options.json
            ? jsonText(
                [...machine.namespaces.keys()].map((own) => ({ name: own })),
                options,
              )
            : [...machine.namespaces.keys()]
                .reverse()
                .map((own) => `${own}\n`)
                .join(""),
        ),
    ],
  ] as const;
  const run = abbreviated<() => unknown>(verbs, verb === "ls" || verb === "show" ? "list" : verb);
  if (!run) throw new IpError(`Command "${verb}" is unknown, try "ip netns help".`);
  if (verb.startsWith("e") && command.length === 0) throw new IpError("No command specified");
  const result = await run();
  return typeof result === "number" ? result : 0;
}

export const ip: Command = async (args, context) => {
  const options: Options = {
    details: false,
    brief: false,
    json: false,
    pretty: false,
    oneline: false,
    statistics: false,
    family: undefined,
    netns: undefined,
  };
  const { host, machine } = context;
  try {
    const words = parseOptions(args, options);
    const [object, ...rest] = words;
    if (object === undefined || object === "help") {
      await host.stderr.write(usage);
      return 255;
    }
    const run = abbreviated(objects, object);
    if (!run) throw new IpError(`Object "${object}" is unknown, try "ip help".`, 1);
    const namespace = options.netns === undefined ? context.namespace : machine.namespace(options.netns);
    if (run === "netns") return await netns(rest, { ...context, namespace }, options);
    await host.stdout.write(run(rest, { ...context, namespace }, options));
    return 0;
  } catch (error) {
    if (error instanceof IpError) {
      await host.stderr.write(`${error.message}\n`);
      return error.exitCode;
    }
    // What devices refuse is worded as the kernel's answer, too.
    if (error instanceof WeftError) {
      await host.stderr.write(`${error.message}\n`);
      return error.message.startsWith("Cannot") ? 1 : 2;
    }
    throw error;
  }
};
