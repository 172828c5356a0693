import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Stream } from "../world.ts";
import { nodeRuntime } from "./runtime.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-runtime-"));
afterAll(() => rmSync(folder, { recursive: true }));
const { net, files } = nodeRuntime();

/** Sends `text` to an echoing listener and returns what comes back after we have ended our side. */
async function echo(listen: string, connect: (port: number | undefined) => string): Promise<string> {
  const listener = await net.listen(listen, (stream) =>
    stream.start({ onData: (bytes) => void stream.write(bytes), onClose() {} }),
  );
  const stream = await net.connect(connect(listener.port));
  const answer = await new Promise<string>((resolve, reject) => {
    let text = "";
    stream.start({
      onData(bytes) {
        text += new TextDecoder().decode(bytes);
        if (text === "hello") stream.end();
      },
      onClose: (error?: Error) => (error ? reject(error) : resolve(text)),
    });
    stream.write(new TextEncoder().encode("hello"));
  });
  await listener.close();
  return answer;
}

describe("streams", () => {
  it("unix, also with a path longer than sun_path", async () => {
    expect(await echo(`punix:${folder}/s`, () => `unix:${folder}/s`)).toBe("hello");
    const long = join(folder, "x".repeat(60), "y".repeat(60));
    mkdirSync(long, { recursive: true });
    expect(await echo(`punix:${long}/s`, () => `unix:${long}/s`)).toBe("hello");
  });

  it("tcp over IPv4, with a port of the system's choice", async () => {
    expect(await echo("ptcp:0:127.0.0.1", (port) => `tcp:127.0.0.1:${port}`)).toBe("hello");
  });

  it("memory", async () => {
    expect(await echo("pmemory:m", () => "memory:m")).toBe("hello");
  });

  it("says what went wrong", async () => {
    await expect(net.connect(`unix:${folder}/none`)).rejects.toThrow("No such file or directory");
    for (const none of [`${folder}/none`, join(folder, "n".repeat(120))]) {
      const why = `unix:${none}/s: No such file or directory`;
      await expect(net.connect(`unix:${none}/s`)).rejects.toMatchObject({ code: "net.connect", message: why });
      await expect(net.listen(`punix:${none}/s`, () => {})).rejects.toMatchObject({ message: `p${why}` });
    }
    await expect(net.connect("tcp:127.0.0.1:1")).rejects.toThrow("tcp:127.0.0.1:1: Connection refused");
  });

  it("a peer that closes is heard even when it closed before we listened", async () => {
    const accepted: Stream[] = [];
    const listener = await net.listen(`punix:${folder}/c`, (stream) => void accepted.push(stream));
    const stream = await net.connect(`unix:${folder}/c`);
    stream.destroy();
    const closed = await new Promise((resolve) => stream.start({ onData() {}, onClose: resolve }));
    expect(closed).toBeUndefined();
    for (const other of accepted) other.destroy();
    await listener.close();
  });
});

describe("files", () => {
  it("append, read, truncate and lock", async () => {
    const file = await files.open(join(folder, "log"), "append");
    expect(await file.lock()).toEqual({ locked: true });
    await file.append(new TextEncoder().encode("one two"));
    await file.truncate(3);
    await file.append(new TextEncoder().encode("!"));
    await file.sync();
    expect(new TextDecoder().decode(await file.read(0, 100))).toBe("one!");
    await file.close();
    expect(new TextDecoder().decode(await files.read(join(folder, "log")))).toBe("one!");
  });

  it("errors carry a code and the path", async () => {
    await expect(files.read(join(folder, "none"))).rejects.toMatchObject({
      code: "files.ENOENT",
      message: `${folder}/none: No such file or directory`,
    });
  });
});
