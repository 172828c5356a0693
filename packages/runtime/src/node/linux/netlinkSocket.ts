/** Talking rtnetlink(7) to the kernel: requests that are answered at once, and news of changes. */
import { WeftError } from "../../errors.ts";
import { EINTR, type Libc, lastError } from "./libc.ts";
import { dumpRequest, messagesOf, NLMSG_DONE, NLMSG_ERROR } from "./rtnetlink.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
/** RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE. */
const GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
/** The kernel answers at once; this is for a kernel that does not answer at all. */
const ANSWER_SECONDS = 5;

function open(libc: Libc, groups: number, flags: number): number {
  const fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, 0);
  if (fd < 0) throw lastError(libc);
  const address = Buffer.alloc(12);
  address.writeUInt16LE(AF_NETLINK, 0);
  address.writeUInt32LE(groups, 8);
  if (libc.bind(fd, address, address.length) < 0) {
    const error = lastError(libc);
    libc.close(fd);
    throw error;
  }
  return fd;
}

export class NetlinkSocket {
  readonly #libc: Libc;
  readonly #requests: number;
  readonly #buffer = Buffer.alloc(1 << 17);
  /** The descriptor that is readable when something has changed. */
  readonly news: number;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#requests = open(libc, 0, 0);
    const timeout = Buffer.alloc(16);
    timeout.writeUInt32LE(ANSWER_SECONDS, 0);
    libc.setsockopt(this.#requests, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.length);
    this.news = open(libc, GROUPS, SOCK_NONBLOCK);
  }

  /** Reads the news away; what they say is read anew from the kernel, for some of them may have been lost. */
  drain(): void {
    while (this.#libc.recv(this.news, this.#buffer, this.#buffer.length, MSG_DONTWAIT) > 0);
  }

  /** Everything of a kind: RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE. */
  dump<T>(type: number, read: (body: Buffer) => T | undefined): T[] {
    const found: T[] = [];
    this.#send(dumpRequest(type));
    for (;;) {
      for (const message of messagesOf(this.#receive())) {
        if (message.type === NLMSG_DONE) return found;
        if (message.type === NLMSG_ERROR) throw this.#refusal(message.body);
        const one = read(message.body);
        if (one !== undefined) found.push(one);
      }
    }
  }

  /** Sends a request that is answered by success or an error, which is thrown. */
  request(bytes: Buffer): void {
    this.#send(bytes);
    for (const message of messagesOf(this.#receive())) {
      if (message.type === NLMSG_ERROR && message.body.readInt32LE(0) !== 0) throw this.#refusal(message.body);
    }
  }

  #refusal(body: Buffer): WeftError {
    return new WeftError("host.device", this.#libc.strerror(-body.readInt32LE(0)), { blame: "caller" });
  }

  #send(bytes: Buffer): void {
    if (this.#libc.send(this.#requests, bytes, bytes.length, 0) < 0) throw lastError(this.#libc);
  }

  #receive(): Buffer {
    for (;;) {
      const length = this.#libc.recv(this.#requests, this.#buffer, this.#buffer.length, 0);
      if (length > 0) return this.#buffer.subarray(0, length);
      if (this.#libc.errno() !== EINTR) throw lastError(this.#libc);
    }
  }

  close(): void {
    this.#libc.close(this.#requests);
    this.#libc.close(this.news);
  }
}
