/** HTTP as tcpdump prints it: whether the payload begins a message, and its lines. */
import { Cut, type Text } from "./text.ts";

const METHODS = [
  "GET",
  "PUT",
  "COPY",
  "HEAD",
  "LOCK",
  "MOVE",
  "POLL",
  "POST",
  "BCOPY",
  "BMOVE",
  "MKCOL",
  "TRACE",
  "LABEL",
  "MERGE",
  "DELETE",
  "SEARCH",
  "UNLOCK",
  "REPORT",
  "UPDATE",
  "NOTIFY",
  "BDELETE",
  "CONNECT",
  "OPTIONS",
  "CHECKIN",
  "PROPFIND",
  "CHECKOUT",
  "CCM_POST",
  "SUBSCRIBE",
  "PROPPATCH",
  "BPROPFIND",
  "BPROPPATCH",
  "UNCHECKOUT",
  "MKACTIVITY",
  "MKWORKSPACE",
  "UNSUBSCRIBE",
  "RPC_CONNECT",
  "VERSION-CONTROL",
  "BASELINE-CONTROL",
];

export function printHttp(t: Text, start: number, length: number): void {
  t.protocol = "http";
  t.put("HTTP");
  const end = Math.min(start + length, t.end);
  const cut = start + length > t.end;
  let first = "";
  for (let at = start; at < end && first.length < 32; at++) first += String.fromCharCode(t.u8(at));
  // a word that the capture cuts is not known to be a method
  const word = /^(\S+)\s/.exec(first)?.[1] ?? "";
  const message = METHODS.includes(word) || word.startsWith("HTTP/");
  if (!message) return;
  const lines: string[] = [];
  let readable = true;
  let textual = true;
  let finished = false;
  for (let at = start; at < end && readable; ) {
    const { text, next, complete, plain } = line(t, at, end);
    // a line that the capture cuts is not shown, nor is one that is no text; both end what is shown
    textual = plain;
    readable = textual && (complete || !cut);
    if (readable) lines.push(text);
    at = next;
    finished = text === "" && complete;
    if (finished) break;
  }
  if (t.verbose > 0) t.put(`, length: ${length}`);
  const shown = t.verbose > 0 ? lines.map((text) => `\n\t${text}`) : lines.slice(0, 1).map((text) => `: ${text}`);
  t.put(shown.join(""));
  if (cut && !finished && textual && (t.verbose > 0 || lines.length === 0)) throw new Cut();
}

/** The line at `start`. `complete`: with its end; `plain`: of printable characters only. */
function line(t: Text, start: number, end: number): { text: string; next: number; complete: boolean; plain: boolean } {
  let text = "";
  let plain = true;
  for (let at = start; at < end; at++) {
    const byte = t.u8(at);
    if (byte === 10) return { text, next: at + 1, complete: true, plain };
    if (byte === 13 && at + 1 < end && t.u8(at + 1) === 10) return { text, next: at + 2, complete: true, plain };
    if (byte === 13 && at + 1 >= end) break;
    plain &&= byte === 9 || (byte >= 0x20 && byte < 0x7f);
    text += String.fromCharCode(byte);
  }
  return { text, next: end, complete: false, plain };
}
