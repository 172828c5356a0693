/**
 * The TLV table map: which Geneve option is which tun_metadata field, and where its data lies in the 256 bytes that the
 * flow key has for all of them. ovs-ofctl(8) add-tlv-map, ovs-fields(7) "Geneve Options".
 */
import { WeftError } from "@weft/runtime";
import { TUN_METADATA_FIELDS, WORD } from "./layout.ts";

/** One mapping. */
export interface TlvMapping {
  readonly optionClass: number;
  readonly optionType: number;
  /** Bytes of option data: a multiple of 4, at most 124. */
  readonly length: number;
  /** n of tun_metadata-n. */
  readonly index: number;
}

/** The bytes that all mapped options may take together. */
export const TLV_SPACE = 256;

/** Immutable; `with` and `without` make new maps. Mapped options keep their place. */
export class TlvMap {
  static readonly EMPTY: TlvMap = new TlvMap([]);

  readonly #entries: readonly (TlvMapping & { readonly word: number })[];
  readonly #byIndex = new Map<number, { readonly word: number; readonly words: number }>();
  readonly #byOption = new Map<number, TlvMapping & { readonly word: number }>();

  private constructor(entries: readonly (TlvMapping & { readonly word: number })[]) {
    this.#entries = entries;
    for (const entry of entries) {
      this.#byIndex.set(entry.index, { word: entry.word, words: entry.length / 4 });
      this.#byOption.set(entry.optionClass * 256 + entry.optionType, entry);
    }
  }

  static of(mappings: readonly TlvMapping[]): TlvMap {
    return TlvMap.EMPTY.with(mappings);
  }

  /** The mappings by field number. */
  get mappings(): readonly TlvMapping[] {
    return [...this.#entries].sort((a, b) => a.index - b.index);
  }

  get size(): number {
    return this.#entries.length;
  }

  /** Word offset and count of tun_metadata-`index`; undefined when unmapped. */
  place(index: number): { readonly word: number; readonly words: number } | undefined {
    return this.#byIndex.get(index);
  }

  /** The mapping of a Geneve option (class and type as in the option header, the critical bit included in the type). */
  option(optionClass: number, optionType: number): (TlvMapping & { readonly word: number }) | undefined {
    return this.#byOption.get(optionClass * 256 + optionType);
  }

  /** Adds mappings. Throws a WeftError whose code is the NXTTMFC_ error's name in small letters after "openflow.". */
  with(added: readonly TlvMapping[]): TlvMap {
    const entries = [...this.#entries];
    for (const mapping of added) {
      if (mapping.length % 4 !== 0 || mapping.length > 124 || mapping.length < 0 || mapping.optionType > 255)
        throw refuse("nxttmfc_bad_opt_len", `option length ${mapping.length} is not a multiple of 4 up to 124`);
      if (mapping.index >= TUN_METADATA_FIELDS) throw refuse("nxttmfc_bad_field_idx", `no field tun_metadata${mapping.index}`);
      if (entries.some((e) => e.index === mapping.index))
        throw refuse("nxttmfc_already_mapped", `tun_metadata${mapping.index} is mapped`);
      if (entries.some((e) => e.optionClass === mapping.optionClass && e.optionType === mapping.optionType))
        throw refuse("nxttmfc_dup_entry", `option class ${mapping.optionClass} type ${mapping.optionType} is mapped`);
      const words = mapping.length / 4;
      entries.push({ ...mapping, word: firstGap(entries, words) });
    }
    return new TlvMap(entries);
  }

  /** Removes mappings by option class and type; unknown ones are ignored. */
  without(removed: readonly Pick<TlvMapping, "optionClass" | "optionType">[]): TlvMap {
    return new TlvMap(
      this.#entries.filter((e) => !removed.some((r) => r.optionClass === e.optionClass && r.optionType === e.optionType)),
    );
  }
}

function refuse(code: string, message: string): WeftError {
  return new WeftError(`openflow.${code}`, message, { blame: "caller" });
}

function firstGap(entries: readonly (TlvMapping & { readonly word: number })[], words: number): number {
  const taken = [...entries].sort((a, b) => a.word - b.word);
  let word = WORD.tun_metadata;
  for (const entry of taken) {
    if (entry.word - word >= words) return word;
    word = Math.max(word, entry.word + entry.length / 4);
  }
  if (word + words > WORD.tun_metadata + TLV_SPACE / 4) throw refuse("nxttmfc_table_full", "no space left for tunnel metadata");
  return word;
}
