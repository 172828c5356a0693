/**
 * The pages of docs/labs, replayed: every command of a page, on a fresh lab, prints what the page says. With UPDATE_PAGES=1
 * the outputs are written into the pages in place of being compared.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { builtinLabs, faultReply, parseLab } from "@weft/lab";
import { describe, expect, it } from "vitest";
import { faultText } from "./faultText.ts";
import { difference, stepsOf } from "./page.ts";
import { VirtualLab } from "./testing.ts";
import { TestShell } from "./testShell.ts";

const folder = join(import.meta.dirname, "../../../../docs/labs");
const update = process.env["UPDATE_PAGES"] !== undefined;

/** One page's session, from `weft lab up`. */
class Session {
  #lab: VirtualLab | undefined;
  readonly #shells = new Map<string, TestShell>();

  async run(node: string | undefined, command: string): Promise<string> {
    if (node === undefined) return this.#beside(command);
    const { lab, runtime } = this.#up;
    const shell = this.#shells.get(node) ?? new TestShell(lab, runtime, node);
    this.#shells.set(node, shell);
    return shell.run(command);
  }

  get #up(): VirtualLab {
    if (!this.#lab) throw new Error("the page has not brought its lab up");
    return this.#lab;
  }

  /** `npx weft lab ...` and `npx weft ...` beside the lab. */
  async #beside(command: string): Promise<string> {
    const [npx, weft, verb, what = "", name = ""] = command.split(/\s+/);
    if (npx !== "npx" || weft !== "weft" || verb !== "lab")
      throw new Error(`${command}: a page has npx weft lab ... beside the lab`);
    if (what === "up") {
      this.#lab = await VirtualLab.up(parseLab(builtinLabs.get(name)!, name));
      return `lab ${name} is up: ${[...this.#up.lab.nodes.keys()].join(", ")}\n`;
    }
    const { lab, runtime } = this.#up;
    if (what === "kill") await runtime.clock.run(lab.kill(name));
    else if (what === "start") await runtime.clock.run(lab.boot(name), 60_000);
    else if (what === "down") await this.close();
    else if (what === "break" || what === "mend" || what === "reveal") {
      const verb = what === "break" && name === "" ? "list" : what;
      const request = { what: verb, ...(name === "" ? {} : { name }) } as const;
      return faultText(verb, (await runtime.clock.run(faultReply(lab, request), 60_000)).faults);
    } else throw new Error(`${command}: not known to the pages' test`);
    return "";
  }

  async close(): Promise<void> {
    for (const shell of this.#shells.values()) shell.close();
    await this.#lab?.down();
    this.#lab = undefined;
  }
}

const pages = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".md"));
const faultPages = pages.flatMap((name) => /^faults\/(.+)\.md$/.exec(name)?.[1] ?? []);

it("every fault has a page, and its name is in the list of them", async () => {
  const lab = await VirtualLab.up(parseLab(builtinLabs.get("where-is-my-packet")!, "where-is-my-packet"));
  const { faults } = await faultReply(lab.lab, { what: "list" });
  expect(faults.map(({ name }) => name).sort()).toEqual(faultPages.sort());
  await lab.down();
});

describe.each(pages)("docs/labs/%s", (name) => {
  it("prints what the page says", { timeout: 120_000 }, async () => {
    const path = join(folder, name);
    const page = readFileSync(path, "utf8");
    const steps = stepsOf(page);
    expect(steps.length).toBeGreaterThan(0);
    const session = new Session();
    const written: [number, number, string[]][] = [];
    for (const { node, command, output, line, end } of steps) {
      const got = (await session.run(node, command)).replace(/\n+$/, "").split("\n");
      const lines = got.length === 1 && got[0] === "" ? [] : got;
      const wrong = difference(output, lines);
      if (update && wrong !== undefined) written.push([line, end, lines]);
      else expect(wrong, `${name}:${line}: ${command}`).toBeUndefined();
    }
    await session.close();
    if (written.length > 0) writeFileSync(path, rewritten(page, written));
  });
});

function rewritten(page: string, written: readonly (readonly [number, number, readonly string[]])[]): string {
  const lines = page.split("\n");
  for (const [line, end, output] of [...written].reverse())
    lines.splice(line, end - 1 - line, ...output.map((text) => (text === "" ? "" : `    ${text}`.trimEnd())));
  return lines.join("\n");
}
