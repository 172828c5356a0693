/** What a link's driver says of itself: SIOCETHTOOL (ethtool(8)). */
import type { LinkDriver } from "../../hostNetwork.ts";
import type { Libc } from "./libc.ts";

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SIOCETHTOOL = 0x8946;
const IFREQ = 40;
const ETHTOOL_GSET = 1;
const ETHTOOL_GDRVINFO = 3;
const DRVINFO = 196;
const SETTINGS = 44;
const UNKNOWN_SPEED = 0xffff;

function text(bytes: Buffer, from: number, length: number): string {
  const end = bytes.indexOf(0, from);
  return bytes.toString("latin1", from, end < 0 ? from + length : Math.min(end, from + length));
}

/** Undefined for a link that is not there, or does not say. */
export function driverOf(libc: Libc, name: string): LinkDriver | undefined {
  const fd = libc.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return undefined;
  const ask = (command: number, size: number): Buffer | undefined => {
    const answer = Buffer.allocUnsafeSlow(size).fill(0);
    answer.writeUInt32LE(command, 0);
    const request = Buffer.alloc(IFREQ);
    request.write(name, 0, 15, "latin1");
    request.writeBigUInt64LE(BigInt(libc.address(answer)), 16);
    return libc.ioctl(fd, SIOCETHTOOL, request) < 0 ? undefined : answer;
  };
  const driver = ask(ETHTOOL_GDRVINFO, DRVINFO);
  const settings = ask(ETHTOOL_GSET, SETTINGS);
  libc.close(fd);
  if (driver === undefined) return undefined;
  // struct ethtool_cmd: speed (lower half) at 12, duplex at 14, speed (upper half) at 28.
  const mbit = settings === undefined ? UNKNOWN_SPEED : settings.readUInt16LE(12) + settings.readUInt16LE(28) * 65536;
  const known = mbit !== UNKNOWN_SPEED && mbit !== 0xffffffff;
  return {
    name: text(driver, 4, 32),
    version: text(driver, 36, 32),
    firmware: text(driver, 68, 32),
    speed: known ? mbit * 1e6 : undefined,
    fullDuplex: settings === undefined || !known ? undefined : settings[14] === 1,
  };
}
