/** Requests and their replies over an OpenFlow connection: by transaction id, in parts, or with an error. */
import {
  BUNDLE_FLAG,
  type Envelope,
  type ErrorMessage,
  type Message,
  type MessageOf,
  type MessageType,
  OF15,
} from "@weft/openflow";
import { WeftError } from "@weft/runtime";

const FLAGS = BUNDLE_FLAG.ATOMIC | BUNDLE_FLAG.ORDERED;

/** What an exchange needs of a connection. */
export interface Sender {
  /** Sends a message and returns its transaction id. */
  send(message: Message, xid?: number): number;
  /** A transaction id that was not used yet. */
  nextXid(): number;
  /** Gathers what `run` sends into few pieces. */
  batch(run: () => void): void;
  /** Resolves when the transport has had time to send. Absent where sending takes none. */
  pause?(): Promise<void>;
}

/** Messages that are added to a bundle between two pauses. */
const PIECE = 512;

/** The transaction ids of the messages of a bundle, and the errors that they have met. */
interface Adding {
  first: number;
  last: number;
  readonly errors: SwitchError[];
}

interface Waiting {
  readonly type: MessageType;
  readonly parts: Message[];
  /** Takes the parts as they come, so that they need not all be kept. */
  readonly take: ((part: Message) => void) | undefined;
  readonly resolve: (parts: readonly Message[]) => void;
  readonly reject: (error: Error) => void;
}

/** An error message in answer to a request. */
export class SwitchError extends WeftError {
  readonly answer: ErrorMessage;

  constructor(answer: ErrorMessage, request: string) {
    const name = answer.error ?? `type ${answer.errorType} code ${answer.code}`;
    super("controller.switch-error", `the switch answered ${request} with ${name}`, { blame: "us" });
    this.answer = answer;
  }
}

export class Exchange {
  readonly #sender: Sender;
  readonly #waiting = new Map<number, Waiting>();
  /** The bundles that are not answered yet. */
  readonly #adding = new Set<Adding>();
  #closed: WeftError | undefined;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  send(message: Message): number {
    return this.#sender.send(message);
  }

  /** Gathers what `run` sends into few pieces. */
  batch(run: () => void): void {
    this.#sender.batch(run);
  }

  /**
   * Has messages carried out as one ordered, atomic bundle. Resolves, when it has been, with the errors that single
   * messages met; rejects with a SwitchError when the bundle as a whole was refused. The messages are taken one at a time,
   * with pauses in which what has been made is sent, so that the switch reads the first while the last are not yet made;
   * without pauses all is sent before this returns.
   */
  async bundle(bundle: number, messages: Iterable<Message>, pauses = true): Promise<readonly SwitchError[]> {
    const adding: Adding = { first: 0, last: 0, errors: [] };
    this.#adding.add(adding);
    try {
      const rest = messages[Symbol.iterator]();
      const answers: Promise<unknown>[] = [];
      const control = (request: "open_request" | "commit_request"): void => {
        const answer = this.#control(bundle, request);
        // Nothing waits for the first: where the bundle is refused, so is all that follows. It is looked at in the end.
        answer.catch(() => {});
        answers.unshift(answer);
      };
      let more = true;
      for (let first = true; more; first = false) {
        if (!first && pauses) await this.#sender.pause?.();
        // A small bundle is sent in one piece, which wakes the switch once.
        this.batch(() => {
          if (first) control("open_request");
          more = this.#addSome(bundle, rest, adding);
          if (!more) control("commit_request");
        });
      }
      for (const answer of answers) await answer;
    } finally {
      this.#adding.delete(adding);
    }
    return adding.errors;
  }

  #control(bundle: number, control: "open_request" | "commit_request"): Promise<unknown> {
    return this.request({ type: "bundle_control", bundle, control, flags: FLAGS }, "bundle_control");
  }

  /** Adds the next messages to a bundle. Returns whether there may be more. */
  #addSome(bundle: number, rest: Iterator<Message>, adding: Adding): boolean {
    if (this.#closed !== undefined) throw this.#closed;
    for (let i = 0; i < PIECE; i++) {
      const { done, value: message } = rest.next();
      if (done === true) return false;
      const xid = this.#sender.nextXid();
      if (adding.first === 0) adding.first = xid;
      adding.last = xid;
      // The message inside has to have the transaction id of the one around it.
      this.#sender.send({ type: "bundle_add", bundle, flags: FLAGS, message: { version: OF15, xid, message } }, xid);
    }
    return true;
  }

  /** Sends a request; resolves with all parts of the reply of that type, those left out that `take` has taken. */
  request<T extends MessageType>(
    message: Message,
    reply: T,
    take?: (part: MessageOf<T>) => void,
  ): Promise<readonly MessageOf<T>[]> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) {
        reject(this.#closed);
        return;
      }
      const xid = this.#sender.send(message);
      this.#waiting.set(xid, {
        type: reply,
        parts: [],
        // hear() collects messages of the asked type only
        take: take as ((part: Message) => void) | undefined,
        resolve: resolve as (parts: readonly Message[]) => void,
        reject,
      });
    });
  }

  /** Resolves when the switch has done everything sent so far. */
  async barrier(): Promise<void> {
    await this.request({ type: "barrier_request" }, "barrier_reply");
  }

  /** Sends a message that is answered only when it fails; resolves with the failure, or undefined when it was done. */
  attempt(message: Message): Promise<SwitchError | undefined> {
    return new Promise((resolve, reject) => {
      const xid = this.#sender.send(message);
      this.#waiting.set(xid, {
        type: "error",
        parts: [],
        take: undefined,
        resolve: () => resolve(undefined),
        reject: (error) => {
          if (error instanceof SwitchError) resolve(error);
          else reject(error);
        },
      });
      this.barrier().then(() => {
        if (this.#waiting.delete(xid)) resolve(undefined);
      }, reject);
    });
  }

  /** Hands over a message that came in. Returns whether it was an answer to a request of this exchange. */
  hear({ xid, message }: Envelope): boolean {
    if (message.type === "error") {
      for (const { first, last, errors } of this.#adding) {
        if (xid < first || xid > last) continue;
        errors.push(new SwitchError(message, "bundle_add"));
        return true;
      }
    }
    const waiting = this.#waiting.get(xid);
    if (waiting === undefined) return false;
    if (message.type === "error") {
      this.#waiting.delete(xid);
      waiting.reject(new SwitchError(message, waiting.type));
      return true;
    }
    if (message.type !== waiting.type) return false;
    if (waiting.take === undefined) waiting.parts.push(message);
    else waiting.take(message);
    if (!("more" in message && message.more)) {
      this.#waiting.delete(xid);
      waiting.resolve(waiting.parts);
    }
    return true;
  }

  /** Everything that waits fails. */
  close(reason: string): void {
    this.#closed = new WeftError("controller.disconnected", reason);
    for (const waiting of this.#waiting.values()) waiting.reject(this.#closed);
    this.#waiting.clear();
  }
}
