/** A TAP device: a link of the host whose other end is this program. */
import type { FrameDevice, FrameOffload, FramesLost } from "../../hostNetwork.ts";
import { EAGAIN, EINTR, type Libc, lastError } from "./libc.ts";
import { BATCH, type ReceiveMessages, type SendPool } from "./messages.ts";
import { Outbox } from "./outbox.ts";
import type { Poller } from "./poller.ts";
import { headerOf, offloadOf, VIRTIO_HEADER } from "./virtioHeader.ts";

const O_RDWR = 2;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const TUNSETIFF = 0x400454ca;
const TUNGETIFF = 0x800454d2;
const TUNSETPERSIST = 0x400454cb;
const TUNSETOFFLOAD = 0x400454d0;
const IFF_TAP = 2;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
/** The host may leave checksums and the cutting of TCP to us: TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6. */
const OFFLOADS = 1 | 2 | 4;
const IFREQ = 40;
const ETHERNET = 14;

export class Tap implements FrameDevice {
  onFrame: ((frame: Uint8Array, offload: FrameOffload | undefined) => void) | undefined;
  readonly #libc: Libc;
  readonly #poller: Poller;
  readonly #data: Buffer;
  readonly #bytes: Uint8Array;
  readonly #fd: number;
  readonly #out: Outbox;
  #polled = true;
  readonly #request = Buffer.alloc(IFREQ);

  constructor(libc: Libc, poller: Poller, messages: ReceiveMessages, pool: SendPool, name: string) {
    this.#libc = libc;
    this.#poller = poller;
    // One place is enough: a frame is done with before the next is read.
    this.#data = messages.data.subarray(0, messages.start(1));
    this.#bytes = messages.bytes;
    this.#fd = libc.open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (this.#fd < 0) throw lastError(libc);
    const request = Buffer.alloc(IFREQ);
    request.write(name, 0, 15, "latin1");
    request.writeUInt16LE(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, 16);
    if (
      libc.ioctl(this.#fd, TUNSETIFF, request) < 0 ||
      libc.ioctlNumber(this.#fd, TUNSETPERSIST, 1) < 0 ||
      libc.ioctlNumber(this.#fd, TUNSETOFFLOAD, OFFLOADS) < 0
    ) {
      const error = lastError(libc);
      libc.close(this.#fd);
      throw error;
    }
    this.#out = new Outbox(libc, poller, pool, this.#fd, true);
    poller.add(this.#fd, () => this.#read());
  }

  get lost(): Readonly<FramesLost> {
    return this.#out.lost;
  }

  /** Asked of the kernel: reading may find out later than the links' news. */
  get gone(): boolean {
    return this.#libc.ioctl(this.#fd, TUNGETIFF, this.#request) < 0;
  }

  #read(): void {
    const data = this.#data;
    for (let i = 0; i < BATCH; i++) {
      const length = this.#libc.read(this.#fd, data, data.length);
      if (length < 0) {
        const errno = this.#libc.errno();
        if (errno === EAGAIN || errno === EINTR) return;
        // Somebody has removed the device; the links' news say so as well.
        this.#polled = false;
        this.#poller.remove(this.#fd);
        return;
      }
      if (length < VIRTIO_HEADER + ETHERNET) this.#out.lost.errors++;
      else this.onFrame?.(this.#bytes.slice(VIRTIO_HEADER, length), offloadOf(data, 0));
    }
  }

  send(frame: Uint8Array, offload?: FrameOffload): void {
    this.#out.push(headerOf(offload), frame);
  }

  close(keep: boolean): void {
    this.#out.close();
    if (!keep) this.#libc.ioctlNumber(this.#fd, TUNSETPERSIST, 0);
    if (this.#polled) this.#poller.remove(this.#fd);
    this.#libc.close(this.#fd);
  }
}
