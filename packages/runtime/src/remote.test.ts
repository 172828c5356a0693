import fc from "fast-check";
import { expect, it } from "vitest";
import { WeftError } from "./errors.ts";
import { parseRemote } from "./remote.ts";

it.each([
  ["tcp:10.0.0.1:6641", { kind: "tcp", passive: false, address: "10.0.0.1", port: 6641 }],
  ["ssl:[fe80::1]:6642", { kind: "ssl", passive: false, address: "fe80::1", port: 6642 }],
  ["tcp:ovn.example", { kind: "tcp", passive: false, address: "ovn.example", port: undefined }],
  ["ptcp:6640", { kind: "tcp", passive: true, address: "", port: 6640 }],
  ["pssl:0:[::]", { kind: "ssl", passive: true, address: "::", port: 0 }],
  ["ptcp:", { kind: "tcp", passive: true, address: "", port: undefined }],
  ["punix:/run/db.sock", { kind: "unix", passive: true, path: "/run/db.sock" }],
  ["unix:db.sock", { kind: "unix", passive: false, path: "db.sock" }],
])("%s", (text, remote) => {
  expect(parseRemote(text)).toEqual(remote);
});

it("answers anything else with an error that names it", () => {
  expect(() => parseRemote("tcp:fe80::1")).toThrow('"tcp:fe80::1" has a malformed address');
  expect(() => parseRemote("ptcp:99999")).toThrow("port above 65535");
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        parseRemote(text);
      } catch (error) {
        expect(error).toBeInstanceOf(WeftError);
      }
    }),
  );
});
