/** `weft lab`: brings labs up and down, and reaches their machines. */
import {
  builtinLabs,
  JsonLines,
  jsonLine,
  type LabDefinition,
  type LabReply,
  type LabRequest,
  parseLab,
  parseListen,
} from "@weft/lab";
import { type Host, messageOf, type Program, WeftError } from "@weft/runtime";
import { type OptionRow, parseOptions, UsageError } from "../options.ts";
import { runRemote } from "./client.ts";
import { type FaultVerb, faultText } from "./faultText.ts";
import { chosenLab, labFolder, labSocket, runningLabs } from "./places.ts";
import { runShell } from "./shell.ts";
import { bringUp, publishedText } from "./up.ts";

const help = `usage: weft lab COMMAND

  up NAME|FILE [--detach]       bring up a built-in lab (${[...builtinLabs.keys()].join(", ")}) or one from a YAML file
    --listen[=ADDRESS[:PORT]]   its databases on real ports: NB on PORT (6641; 0: any), SB on the one after it
  list                          labs that are up, and the built-in ones
  status [--lab NAME]           machines, addresses and daemons of a lab
  shell NODE [-c SCRIPT]        your own shell on a machine: its commands are first on PATH
  exec NODE -- COMMAND...       one command on a machine
  kill NODE                     take a machine's power away: its daemons, guests and wires are gone
  start NODE                    start it again
  break [FAULT|--random]        break the lab, to find out what is wrong; without a name, what can be broken
  reveal                        what is wrong, and how it is mended
  mend                          undo the fault
  down [NAME]                   end a lab

  --lab NAME                    which lab, when several are up
`;

const rows: readonly OptionRow[] = [
  { name: "lab", argument: "required" },
  { name: "detach" },
  { name: "random" },
  { name: "listen", argument: "optional" },
  { name: "command", short: "c", argument: "required" },
  { name: "help", short: "h" },
];

/** Asks a running lab for one thing. */
async function ask(host: Host, socket: string, request: LabRequest): Promise<LabReply | undefined> {
  const stream = await host.runtime.net.connect(`unix:${socket}`);
  return new Promise((resolve, reject) => {
    const lines = new JsonLines((value) => {
      resolve(value as LabReply);
      stream.destroy();
    });
    stream.start({ onData: (bytes) => lines.push(bytes), onClose: (error) => (error ? reject(error) : resolve(undefined)) });
    stream.write(jsonLine(request));
  });
}

async function definitionText(host: Host, name: string): Promise<{ text: string; source: string }> {
  const builtin = builtinLabs.get(name);
  if (builtin !== undefined) return { text: builtin, source: name };
  if (!/[./]/.test(name)) {
    throw new WeftError(
      "lab.unknown",
      `there is no built-in lab ${JSON.stringify(name)} (${[...builtinLabs.keys()].join(", ")}); a file's name has a '.' or '/'`,
      { blame: "caller" },
    );
  }
  return { text: new TextDecoder().decode(await host.runtime.files.read(name)), source: name };
}

/** The definition with the databases opened where --listen says. */
function listening(definition: LabDefinition, text: string): LabDefinition {
  if (!parseListen(text))
    throw new WeftError(
      "lab.usage",
      `--listen=${text}: not an address of this host with or without a port, like 127.0.0.1:6641`,
      {
        blame: "caller",
      },
    );
  const central = Object.entries(definition.nodes).filter(([, { services }]) => services?.includes("ovn-central"));
  const [[name, node] = [], ...others] = central;
  if (name === undefined || node === undefined || others.length > 0)
    throw new WeftError(
      "lab.usage",
      `--listen is for a lab with one machine that has ovn-central; lab ${definition.name} has ${central.length} (each can have a listen entry)`,
      { blame: "caller" },
    );
  return { ...definition, nodes: { ...definition.nodes, [name]: { ...node, listen: text } } };
}

async function up(host: Host, name: string, listen: string | undefined): Promise<number> {
  const { text, source } = await definitionText(host, name);
  const parsed = parseLab(text, source);
  const definition = listen === undefined ? parsed : listening(parsed, listen);
  if ((await runningLabs(host)).includes(definition.name))
    throw new WeftError("lab.is-up", `lab ${definition.name} is up already`, { blame: "caller" });
  await host.runtime.files.mkdir(labFolder(host));
  return bringUp(host, definition, labSocket(host, definition.name));
}

async function status(host: Host, lab: string): Promise<number> {
  const reply = await ask(host, labSocket(host, lab), { status: true });
  if (!reply || !("status" in reply)) throw new WeftError("lab.no-answer", `lab ${lab} did not answer`);
  const { name, nodes, published } = reply.status;
  let text = `lab ${name}\n${published.map((port) => `  ${publishedText(port)}\n`).join("")}`;
  for (const node of nodes) {
    text += `  ${node.name}${node.on ? "" : " (off)"}\n`;
    if (!node.on) continue;
    for (const [what, list] of [
      ["addresses", node.addresses],
      ["daemons", node.daemons],
      ["netns", node.namespaces],
    ] as const) {
      if (list.length > 0) text += `    ${what.padEnd(10)} ${list.join(", ")}\n`;
    }
  }
  await host.stdout.write(text);
  return 0;
}

/** Asks a running lab about faults; `name`: which, absent for any. */
async function fault(host: Host, socket: string, what: FaultVerb, name: string | undefined): Promise<number> {
  const reply = await ask(host, socket, { fault: { what, ...(name === undefined ? {} : { name }) } });
  if (!reply || !("faults" in reply))
    throw new WeftError("lab.fault", reply && "error" in reply ? reply.error : "the lab did not answer");
  await host.stdout.write(faultText(what, reply.faults));
  return 0;
}

/** `shim`: the file that commands in a lab's shell run. */
export function labProgram(shim: string): Program {
  return async (args, host) => {
    // What stands behind "--" is another command line.
    const split = args.indexOf("--");
    const remote = split < 0 ? [] : args.slice(split + 1);
    let words: readonly string[];
    let options: ReadonlyMap<string, string>;
    try {
      const parsed = parseOptions(split < 0 ? args : args.slice(0, split), rows);
      words = parsed.rest;
      options = new Map(parsed.options.map(({ name, value = "" }) => [name, value]));
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      await host.stderr.write(`weft lab: ${error.message}\n`);
      return 2;
    }
    const [verb = "help", operand, ...more] = words;
    if (options.has("help") || verb === "help") {
      await host.stdout.write(help);
      return 0;
    }
    const chosen = () => chosenLab(host, options.get("lab"));
    const needs = (what: string) => {
      if (operand === undefined)
        throw new WeftError("lab.usage", `${verb} needs ${what}; see 'weft lab --help'`, { blame: "caller" });
      return operand;
    };
    try {
      switch (verb) {
        case "up":
          return await up(
            host,
            needs("a lab's name or file"),
            options.has("listen") ? options.get("listen") || more[0] || "127.0.0.1" : undefined,
          );
        case "list": {
          const running = await runningLabs(host);
          const names = [...new Set([...running, ...builtinLabs.keys()])].sort();
          await host.stdout.write(names.map((name) => `${name.padEnd(24)} ${running.includes(name) ? "up" : "-"}\n`).join(""));
          return 0;
        }
        case "status":
          return await status(host, operand === undefined ? await chosen() : await chosenLab(host, operand));
        case "exec": {
          const node = needs("a machine");
          const argv = [...more, ...remote];
          if (argv.length === 0)
            throw new WeftError("lab.usage", "exec needs a command: weft lab exec NODE -- COMMAND", { blame: "caller" });
          return await runRemote({ socket: labSocket(host, await chosen()), node, namespace: "", argv });
        }
        case "kill":
        case "start": {
          const node = needs("a machine");
          const reply = await ask(host, labSocket(host, await chosen()), { power: { node, on: verb === "start" } });
          if (!reply || "error" in reply) throw new WeftError("lab.power", reply?.error ?? "the lab did not answer");
          return 0;
        }
        case "break":
        case "mend":
        case "reveal": {
          const socket = labSocket(host, await chosen());
          const what = verb === "break" && operand === undefined && !options.has("random") ? "list" : verb;
          return await fault(host, socket, what, verb === "break" ? operand : undefined);
        }
        case "shell": {
          const node = needs("a machine");
          const lab = await chosen();
          const socket = labSocket(host, lab);
          const reply = await ask(host, socket, { commands: { node } });
          if (reply && "error" in reply) throw new WeftError("lab.no-node", reply.error, { blame: "caller" });
          if (!reply || !("commands" in reply)) throw new WeftError("lab.no-answer", `lab ${lab} did not answer`);
          const script = options.get("command");
          return await runShell(host, {
            lab,
            socket,
            node,
            commands: reply.commands,
            shim,
            ...(script === undefined ? {} : { script }),
          });
        }
        case "down": {
          const lab = operand === undefined ? await chosen() : await chosenLab(host, operand);
          await ask(host, labSocket(host, lab), { down: true });
          return 0;
        }
        default:
          throw new WeftError("lab.usage", `unknown command ${JSON.stringify(verb)}; see 'weft lab --help'`, { blame: "caller" });
      }
    } catch (error) {
      await host.stderr.write(`weft lab: ${messageOf(error)}\n`);
      return 1;
    }
  };
}
