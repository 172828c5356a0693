/** An HTTP/1 response as it arrives (RFC 9112): the head, then a body of a given length, in chunks, or up to the end. */
export class ResponseReader {
  readonly #headOnly: boolean;
  #bytes = new Uint8Array();
  #headEnd = -1;
  #head = "";

  /** `headOnly`: the answer to HEAD, which has no body. */
  constructor(headOnly: boolean) {
    this.#headOnly = headOnly;
  }

  /** True when the response is whole; one without a length is whole only at the connection's end. */
  push(more: Uint8Array): boolean {
    const bytes = new Uint8Array(this.#bytes.length + more.length);
    bytes.set(this.#bytes);
    bytes.set(more, this.#bytes.length);
    this.#bytes = bytes;
    if (this.#headEnd < 0) {
      const text = new TextDecoder("latin1").decode(bytes);
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) return false;
      this.#headEnd = end + 4;
      this.#head = text.slice(0, this.#headEnd);
    }
    if (this.#headOnly) return true;
    const length = this.header("content-length");
    if (this.#chunked) return this.#chunks().whole;
    return length !== undefined && this.received >= Number(length);
  }

  get #chunked(): boolean {
    return this.header("transfer-encoding")?.toLowerCase() === "chunked";
  }

  /** Bytes of the body so far. */
  get received(): number {
    return this.#headEnd < 0 ? 0 : this.#bytes.length - this.#headEnd;
  }

  /** Status line and headers, with the empty line behind them. */
  get headText(): string {
    return this.#head;
  }

  get version(): string | undefined {
    return /^HTTP\/(\d\.\d)/.exec(this.#head)?.[1];
  }

  get status(): number | undefined {
    const status = /^HTTP\/\d\.\d (\d{3})/.exec(this.#head)?.[1];
    return status === undefined ? undefined : Number(status);
  }

  /** `name` in lower case. */
  header(name: string): string | undefined {
    for (const line of this.#head.split("\r\n").slice(1)) {
      const colon = line.indexOf(":");
      if (line.slice(0, colon).toLowerCase() === name) return line.slice(colon + 1).trim();
    }
    return undefined;
  }

  get body(): Uint8Array {
    if (this.#headOnly || this.#headEnd < 0) return new Uint8Array();
    return this.#chunked ? this.#chunks().body : this.#bytes.subarray(this.#headEnd);
  }

  #chunks(): { readonly body: Uint8Array; readonly whole: boolean } {
    const text = new TextDecoder("latin1").decode(this.#bytes.subarray(this.#headEnd));
    const parts: string[] = [];
    let at = 0;
    for (;;) {
      const match = /^([0-9a-fA-F]+)[^\r\n]*\r\n/.exec(text.slice(at));
      const length = match ? Number.parseInt(match[1]!, 16) : 0;
      if (!match || length === 0) {
        const body = Uint8Array.from(parts.join(""), (char) => char.charCodeAt(0));
        return { body, whole: match !== null };
      }
      const start = at + match[0].length;
      parts.push(text.slice(start, start + length));
      at = start + length + 2;
    }
  }
}
