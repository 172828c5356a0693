/** What tcpdump remembers between packets, for relative sequence numbers. */

/** First sequence numbers of the two sides, by "address.port" of the side. */
export class TcpConversations {
  private readonly bases = new Map<string, { readonly a: string; seqA: number; seqB: number }>();

  /** The numbers to subtract from a segment's own and acknowledged sequence numbers; stores them for a new conversation. */
  base(from: string, to: string, seq: number, ack: number, fresh: boolean): { seq: number; ack: number; known: boolean } {
    const key = from < to ? `${from} ${to}` : `${to} ${from}`;
    const found = this.bases.get(key);
    if (!found || fresh) {
      this.bases.set(key, { a: from, seqA: seq, seqB: (ack - 1) >>> 0 });
      return { seq, ack: (ack - 1) >>> 0, known: false };
    }
    return found.a === from
      ? { seq: found.seqA, ack: found.seqB, known: true }
      : { seq: found.seqB, ack: found.seqA, known: true };
  }
}
