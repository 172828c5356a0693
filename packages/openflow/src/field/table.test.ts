import { describe, expect, test } from "vitest";
import { MatchBuilder } from "../match/builder.ts";
import { readField, writeField } from "./access.ts";
import { FLOW_WORDS, newFlowKey, TUN_METADATA_VIRTUAL, WORD } from "./layout.ts";
import { codeFor, field, fieldNamed, fieldOfCode } from "./lookup.ts";
import { FIELDS } from "./table.ts";
import { TlvMap } from "./tlvMap.ts";

describe("the table of fields", () => {
  test("has every name once, and every code point once", () => {
    const names = FIELDS.flatMap((f) => [f.name, ...f.aliases]);
    expect(new Set(names).size).toBe(names.length);
    const codes = FIELDS.flatMap((f) => f.codes.map((c) => `${c.class}/${c.vendor}/${c.field}`));
    expect(new Set(codes).size).toBe(codes.length);
    expect(FIELDS.map((f) => f.id)).toEqual(FIELDS.map((_, i) => i));
  });

  test("finds fields by their names in Open vSwitch, NXM and OXM", () => {
    expect(fieldNamed("nw_src")).toBe(field("ip_src"));
    expect(fieldNamed("dl_src")).toBe(field("eth_src"));
    expect(fieldNamed("NXM_OF_IP_SRC")).toBe(field("ip_src"));
    expect(fieldNamed("OXM_OF_IPV4_SRC")).toBe(field("ip_src"));
    expect(fieldNamed("reg32")).toBeUndefined();
  });

  test("chooses a code for a version: OXM where it is standard, else Nicira's", () => {
    expect(codeFor(field("metadata"), 4)?.name).toBe("OXM_OF_METADATA");
    expect(codeFor(field("ip_src"), 1)?.name).toBe("NXM_OF_IP_SRC");
    expect(codeFor(field("ip_src"), 4)?.name).toBe("OXM_OF_IPV4_SRC");
    expect(codeFor(field("reg10"), 4)?.name).toBe("NXM_NX_REG10");
    for (const f of FIELDS) for (const c of f.codes) expect(fieldOfCode(c.class, c.vendor, c.field)?.field).toBe(f);
  });

  test("gives every field a place within the key, wide fields in words of their own", () => {
    for (const f of FIELDS) {
      if (f.metadataIndex !== undefined) {
        expect(f.word).toBeGreaterThanOrEqual(TUN_METADATA_VIRTUAL);
        continue;
      }
      expect(f.word + f.words).toBeLessThanOrEqual(FLOW_WORDS);
      expect(32 * f.words).toBeGreaterThanOrEqual(f.bits);
    }
  });

  test("shares words where fields are parts of one another", () => {
    const key = newFlowKey();
    writeField(key, field("xxreg0"), 0x0102030405060708090a0b0c0d0e0f10n);
    expect(readField(key, field("reg0"))).toBe(0x01020304n);
    expect(readField(key, field("xreg1"))).toBe(0x090a0b0c0d0e0f10n);
    writeField(key, field("eth_src"), 0x505400000001n);
    expect(key[WORD.eth_src]).toBe(0x5054);
    expect(key[WORD.eth_src + 1]).toBe(1);
  });
});

describe("tunnel metadata", () => {
  test("takes the room that the TLV table map gives it", () => {
    const tlv = TlvMap.of([{ optionClass: 0x102, optionType: 0x80, length: 4, index: 0 }]);
    const key = newFlowKey();
    writeField(key, field("tun_metadata0"), 0x12345678n, tlv);
    expect(readField(key, field("tun_metadata0"), tlv)).toBe(0x12345678n);
    const match = new MatchBuilder().set("tun_metadata0", 0x5678n, 0xffffn).build();
    expect(match.unplaced).toBe(true);
    key[WORD.tun_metadata_present]! |= 1;
    expect(match.place(tlv)!.matches(key)).toBe(true);
    expect(match.place(TlvMap.EMPTY)).toBeUndefined();
  });

  test("refuses options of odd lengths and taken fields", () => {
    const one = { optionClass: 0x102, optionType: 0x80, length: 4, index: 0 };
    expect(() => TlvMap.of([{ ...one, length: 5 }])).toThrow(/length/i);
    expect(() => TlvMap.of([one, { ...one, optionType: 1 }])).toThrow();
  });
});
