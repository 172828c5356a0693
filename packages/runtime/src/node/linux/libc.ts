/** Functions of the C library, called by FFI (koffi). Buffers are given as they are; addresses within them are numbers. */
import { endianness } from "node:os";
import { messageOf, WeftError } from "../../errors.ts";

type Bytes = Uint8Array;

export interface Libc {
  open(path: string, flags: number): number;
  close(fd: number): number;
  read(fd: number, buffer: Bytes, length: number): number;
  write(fd: number, address: number, length: number): number;
  ioctl(fd: number, request: number, argument: Bytes): number;
  /** An ioctl whose argument is a number. */
  ioctlNumber(fd: number, request: number, argument: number): number;
  fcntl(fd: number, command: number, argument: Bytes): number;
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Bytes, length: number): number;
  setsockopt(fd: number, level: number, name: number, value: Bytes, length: number): number;
  send(fd: number, buffer: Bytes, length: number, flags: number): number;
  recv(fd: number, buffer: Bytes, length: number, flags: number): number;
  /** `messages` is the address of an array of struct mmsghdr. */
  sendmmsg(fd: number, messages: number, count: number, flags: number): number;
  recvmmsg(fd: number, messages: number, count: number, flags: number): number;
  eventfd(initial: number, flags: number): number;
  epollCreate(): number;
  epollControl(epoll: number, operation: number, fd: number, event: Bytes): number;
  epollWait(epoll: number, events: Bytes, count: number, timeoutMs: number): number;
  /** The same in a thread; `done` is called with its result. */
  epollWaitInThread(epoll: number, events: Bytes, count: number, timeoutMs: number, done: (ready: number) => void): void;
  /** Of the last call that failed. */
  errno(): number;
  strerror(errno: number): string;
  /** Where an array's memory is; the array must be kept for as long as the address is used. */
  address(memory: Bytes): number;
}

/** Numbers of errors that are dealt with (errno(3) on Linux). */
export const EINTR = 4;
export const EAGAIN = 11;

/** Throws a WeftError ("host.no-ffi") that says what is missing, after `consequence`. */
export async function loadLibc(consequence: string): Promise<Libc> {
  const refuse = (why: string, cause?: unknown) =>
    new WeftError("host.no-ffi", `${consequence}: ${why}`, { blame: "caller", cause });
  if (process.platform !== "linux") throw refuse(`it needs Linux, this is ${process.platform}`);
  if (!["x64", "arm64", "riscv64", "loong64", "ppc64"].includes(process.arch) || endianness() !== "LE")
    throw refuse(`the layout of kernel structures is known for 64-bit little-endian machines only, not for ${process.arch}`);
  let koffi: typeof import("koffi").default;
  try {
    koffi = (await import("koffi")).default;
  } catch (error) {
    throw refuse(
      `the optional dependency koffi does not load (${messageOf(error).replace(/( imported from |\n).*/s, "")}); npm install koffi`,
      error,
    );
  }
  const lib = koffi.load(null);
  // The prototypes are koffi's; what it calls with them and returns is as the interface says.
  const f = <T>(prototype: string) => lib.func(prototype) as unknown as T;
  const epollWait = lib.func("int epoll_wait(int fd, void *events, int count, int timeout)");
  return {
    open: f("int open(const char *path, int flags)"),
    close: f("int close(int fd)"),
    read: f("intptr_t read(int fd, void *buffer, size_t length)"),
    write: f("intptr_t write(int fd, uintptr_t buffer, size_t length)"),
    ioctl: f("int ioctl(int fd, unsigned long request, void *argument)"),
    ioctlNumber: f("int ioctl(int fd, unsigned long request, unsigned long argument)"),
    fcntl: f("int fcntl(int fd, int command, void *argument)"),
    socket: f("int socket(int family, int type, int protocol)"),
    bind: f("int bind(int fd, const void *address, unsigned int length)"),
    setsockopt: f("int setsockopt(int fd, int level, int name, const void *value, unsigned int length)"),
    send: f("intptr_t send(int fd, const void *buffer, size_t length, int flags)"),
    recv: f("intptr_t recv(int fd, void *buffer, size_t length, int flags)"),
    sendmmsg: f("int sendmmsg(int fd, uintptr_t messages, unsigned int count, int flags)"),
    recvmmsg: (() => {
      const call = f<(fd: number, at: number, count: number, flags: number, timeout: null) => number>(
        "int recvmmsg(int fd, uintptr_t messages, unsigned int count, int flags, void *timeout)",
      );
      return (fd, at, count, flags) => call(fd, at, count, flags, null);
    })(),
    eventfd: f("int eventfd(unsigned int initial, int flags)"),
    epollCreate: (() => {
      const call = f<(flags: number) => number>("int epoll_create1(int flags)");
      return () => call(EPOLL_CLOEXEC);
    })(),
    epollControl: f("int epoll_ctl(int epoll, int operation, int fd, void *event)"),
    epollWait: epollWait as unknown as Libc["epollWait"],
    epollWaitInThread: (epoll, events, count, timeout, done) =>
      epollWait.async(epoll, events, count, timeout, (error: unknown, ready: number) => done(error === null ? ready : -1)),
    errno: () => koffi.errno(),
    strerror: f("const char *strerror(int number)"),
    // Addresses of user space are below 2^53.
    address: (memory) => Number(koffi.address(memory)),
  };
}

const EPOLL_CLOEXEC = 0o2000000;

/** An error of the system in the C library's words: that of the call which failed last, by default. */
export function lastError(libc: Libc, errno = libc.errno()): WeftError {
  return new WeftError("host.device", libc.strerror(errno), { blame: "caller" });
}
