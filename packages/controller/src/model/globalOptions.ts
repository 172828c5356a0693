/** SB_Global:options, to which northd copies those of NB_Global (ovn-nb(5)). */
import { derive, sameContent } from "@weft/incremental";
import { sb } from "./inputs.ts";

const NONE: ReadonlyMap<string, string> = new Map();

export const globalOptions = derive<0, ReadonlyMap<string, string>>(
  "globalOptions",
  (_key, read) => {
    const uuid = read.keys(sb.SB_Global)[0];
    return (uuid === undefined ? undefined : read(sb.SB_Global, uuid))?.options ?? NONE;
  },
  { equals: sameContent },
);
