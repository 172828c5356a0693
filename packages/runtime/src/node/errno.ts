/** The C library's words for the errors that people meet. */
export function describeErrno(code: string): string | undefined {
  return {
    ENOENT: "No such file or directory",
    EEXIST: "File exists",
    EACCES: "Permission denied",
    EPERM: "Operation not permitted",
    ENOTDIR: "Not a directory",
    EISDIR: "Is a directory",
    ENOSPC: "No space left on device",
    ECONNREFUSED: "Connection refused",
    ECONNRESET: "Connection reset by peer",
    EPIPE: "Broken pipe",
    EADDRINUSE: "Address already in use",
    EADDRNOTAVAIL: "Cannot assign requested address",
    ETIMEDOUT: "Connection timed out",
    ENETUNREACH: "Network is unreachable",
    EHOSTUNREACH: "No route to host",
    EAGAIN: "Resource temporarily unavailable",
  }[code];
}
