/** VLANs of NORMAL and of mirrors: what a frame's tags mean on a port of some VLAN mode (ovs-vswitchd.conf.db(5), Port). */
import { VLAN_CFI, WORD } from "../flow/key.ts";
import type { Bundle } from "../ofproto/port.ts";
import type { Context } from "./context.ts";

/** A tag; vid 0 means none but priority. */
export interface Tag {
  readonly tpid: number;
  readonly vid: number;
  readonly pcp: number;
}
/** Outer and inner tag. */
export type Tags = readonly [Tag, Tag];

const NO_TAG: Tag = { tpid: 0, vid: 0, pcp: 0 };

export function tagsOf(key: Int32Array): Tags {
  const one = (word: number): Tag => {
    const tci = key[word] as number;
    return (tci & VLAN_CFI) === 0 ? NO_TAG : { tpid: key[word + 1] as number, vid: tci & 0xfff, pcp: (tci >>> 13) & 7 };
  };
  return [one(WORD.vlan_tci), one(WORD.vlan_tci1)];
}

/** May a frame with this outer VLAN come in here? Reports why not. */
export function inputVlanValid(ctx: Context, vid: number, bundle: Bundle): boolean {
  switch (bundle.vlanMode) {
    case "access":
      if (vid === 0) return true;
      ctx.report(
        "error",
        `dropping VLAN ${vid} tagged packet received on port ${bundle.name} configured as VLAN ${bundle.tag} access port`,
      );
      return false;
    case "native-tagged":
    case "native-untagged":
      if (vid === 0) return true;
      break;
    case "trunk":
      break;
    case "dot1q-tunnel":
      if (bundle.cvlans !== undefined && !bundle.cvlans.has(vid)) {
        ctx.report("error", `dropping VLAN ${vid} packet received on dot1q-tunnel port ${bundle.name} that excludes this VLAN`);
        return false;
      }
      return true;
  }
  if (bundle.trunks === undefined || bundle.trunks.has(vid)) return true;
  ctx.report("error", `dropping VLAN ${vid} packet received on port ${bundle.name} not configured for trunking VLAN ${vid}`);
  return false;
}

/** The tags inside the bridge of a frame that came in on `bundle`. */
export function inputTags(bundle: Bundle, tags: Tags): Tags {
  switch (bundle.vlanMode) {
    case "access":
      return [{ tpid: tags[0].tpid, vid: bundle.tag, pcp: tags[0].pcp }, NO_TAG];
    case "trunk":
      return tags;
    case "native-tagged":
    case "native-untagged":
      return tags[0].vid === 0 ? [{ tpid: tags[0].tpid, vid: bundle.tag, pcp: tags[0].pcp }, tags[1]] : tags;
    case "dot1q-tunnel":
      return [{ tpid: bundle.qinqEthType, vid: bundle.tag, pcp: tags[0].pcp }, tags[0]];
  }
}

/** The tags of a frame that leaves by `bundle`. */
export function outputTags(bundle: Bundle, tags: Tags): Tags {
  const priorityOnly: Tag = { tpid: 0, vid: 0, pcp: bundle.priorityTags === "no" ? 0 : tags[0].pcp };
  switch (bundle.vlanMode) {
    case "access":
      return [priorityOnly, NO_TAG];
    case "trunk":
    case "native-tagged":
      return tags;
    case "native-untagged":
      return tags[0].vid === bundle.tag ? [priorityOnly, tags[1]] : tags;
    case "dot1q-tunnel":
      return [tags[1], NO_TAG];
  }
}

/** Writes tags into the flow. A tag of neither VLAN nor priority is left out, unless the port always wants those that come. */
export function putTags(ctx: Context, tags: Tags, priorityTags: Bundle["priorityTags"]): void {
  const { flow } = ctx;
  const outer = tags[0];
  const wanted = outer.vid !== 0 || outer.pcp !== 0 || (priorityTags === "always" && outer.tpid !== 0);
  const put = (word: number, tag: Tag): void => {
    flow[word] = VLAN_CFI | (tag.pcp << 13) | tag.vid;
    flow[word + 1] = tag.tpid === 0 ? 0x8100 : tag.tpid;
  };
  const clear = (word: number): void => {
    flow[word] = 0;
    flow[word + 1] = 0;
  };
  if (!wanted) {
    clear(WORD.vlan_tci);
    clear(WORD.vlan_tci1);
    return;
  }
  put(WORD.vlan_tci, outer);
  if (tags[1].vid !== 0 || tags[1].tpid !== 0) put(WORD.vlan_tci1, tags[1]);
  else clear(WORD.vlan_tci1);
}
