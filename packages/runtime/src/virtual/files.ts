import { WeftError } from "../errors.ts";
import type { Files, OpenFile } from "../world.ts";

class MemoryFile {
  bytes = new Uint8Array(0);
  length = 0;
  locked = false;

  append(more: Uint8Array): void {
    if (this.length + more.length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(1024, 2 * this.bytes.length, this.length + more.length));
      grown.set(this.bytes.subarray(0, this.length));
      this.bytes = grown;
    }
    this.bytes.set(more, this.length);
    this.length += more.length;
  }
  get contents(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }
}

/** Files in memory. Folders exist by being named. */
export class MemoryFiles implements Files {
  readonly #files = new Map<string, MemoryFile>();

  #get(path: string): MemoryFile {
    const file = this.#files.get(path);
    if (!file) throw fileError("ENOENT", path, "No such file or directory");
    return file;
  }

  async read(path: string): Promise<Uint8Array> {
    return this.#get(path).contents;
  }
  async write(path: string, bytes: Uint8Array): Promise<void> {
    const file = new MemoryFile();
    file.append(bytes);
    this.#files.set(path, file);
  }
  async open(path: string, mode: "read" | "append" | "create" | "read-write"): Promise<OpenFile> {
    if (mode === "create" && this.#files.has(path)) throw fileError("EEXIST", path, "File exists");
    if ((mode === "create" || mode === "append") && !this.#files.has(path)) this.#files.set(path, new MemoryFile());
    const file = this.#get(path);
    let held = false;
    return {
      size: async () => file.length,
      read: async (offset, length) => file.bytes.slice(offset, Math.min(offset + length, file.length)),
      append: async (bytes) => file.append(bytes),
      truncate: async (size) => {
        file.length = size;
      },
      sync: async () => undefined,
      lock: async () => {
        if (file.locked) return { locked: held };
        file.locked = held = true;
        return { locked: true };
      },
      close: async () => {
        if (held) file.locked = held = false;
      },
    };
  }
  async exists(path: string): Promise<boolean> {
    return this.#files.has(path) || [...this.#files.keys()].some((name) => name.startsWith(`${path}/`));
  }
  async remove(path: string): Promise<void> {
    this.#get(path);
    this.#files.delete(path);
  }
  async rename(from: string, to: string): Promise<void> {
    const file = this.#get(from);
    this.#files.delete(from);
    this.#files.set(to, file);
  }
  async mkdir(): Promise<void> {}

  /** Files of their own with the same contents, unlocked: what is on a disk when those who wrote it are gone. */
  copy(wanted: (path: string) => boolean): MemoryFiles {
    const copy = new MemoryFiles();
    for (const [path, file] of this.#files) {
      if (!wanted(path)) continue;
      const own = new MemoryFile();
      own.append(file.contents);
      copy.#files.set(path, own);
    }
    return copy;
  }

  async list(path: string): Promise<string[]> {
    const prefix = path.endsWith("/") ? path : `${path}/`;
    const names = new Set<string>();
    for (const name of this.#files.keys()) {
      if (name.startsWith(prefix)) names.add(name.slice(prefix.length).split("/")[0]!);
    }
    return [...names].sort();
  }
}

function fileError(code: string, path: string, text: string): WeftError {
  return new WeftError(`files.${code}`, `${path}: ${text}`, { blame: "caller", place: { source: path } });
}
