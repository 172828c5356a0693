/** The Interface column bfd (ovs-vswitchd.conf.db(5), "Bidirectional Forwarding Detection"). */
import { type Ipv4, type Mac, parseIpv4, parseMac } from "@weft/packet";

export interface BfdConfig {
  /** Intervals in ms. */
  readonly minTx: number;
  readonly minRx: number;
  readonly mult: number;
  /** In place of minRx while the interface is idle; undefined: nothing is. */
  readonly decayMinRx: number | undefined;
  readonly cpathDown: boolean;
  readonly checkTunnelKey: boolean;
  /** Packets are marked as those of the tunnel's ends, where its protocol has a mark for that. */
  readonly oam: boolean;
  /** undefined: the interface's own. */
  readonly srcMac: Mac | undefined;
  readonly dstMac: Mac;
  /** Packets to other addresses are no BFD packets; undefined: any. */
  readonly expectedDstMac: Mac | undefined;
  readonly src: Ipv4;
  readonly dst: Ipv4;
}

const DST_MAC = "00:23:20:00:00:01";
const SRC_IP = "169.254.1.1";
const DST_IP = "169.254.1.0";

/** Undefined where BFD is not enabled. What cannot be read counts as not given. */
export function bfdConfig(column: ReadonlyMap<string, string>): BfdConfig | undefined {
  if (column.get("enable") !== "true") return undefined;
  const number = (key: string, fallback: number, most: number): number => {
    const value = Number(column.get(key));
    return Number.isInteger(value) && value >= 1 && value <= most ? value : fallback;
  };
  const mac = (key: string): Mac | undefined => parseMac(column.get(key) ?? "");
  const ip = (key: string, fallback: string): Ipv4 => parseIpv4(column.get(key) ?? "") ?? (parseIpv4(fallback) as Ipv4);
  return {
    minTx: number("min_tx", 100, 0xffff_ffff),
    minRx: number("min_rx", 1000, 0xffff_ffff),
    decayMinRx: number("decay_min_rx", 0, 0xffff_ffff) || undefined,
    mult: number("mult", 3, 255),
    cpathDown: column.get("cpath_down") === "true",
    checkTunnelKey: column.get("check_tnl_key") === "true",
    oam: column.get("oam") === "true",
    srcMac: mac("bfd_local_src_mac"),
    dstMac: mac("bfd_local_dst_mac") ?? (parseMac(DST_MAC) as Mac),
    expectedDstMac: mac("bfd_remote_dst_mac"),
    src: ip("bfd_src_ip", SRC_IP),
    dst: ip("bfd_dst_ip", DST_IP),
  };
}
