import { base58 } from "@scure/base";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { asHome, type GroupId, idFromHash, isCoValueId, parseCoValueId } from "../../shared/ids.ts";
import { homeOfSprite, spriteNameOf } from "../../shared/sprite-name.ts";

const hashes = fc.uint8Array({ minLength: 19, maxLength: 19 });
const homes = hashes.map((hash) => asHome(idFromHash(hash)));

describe("ids", () => {
  test("every 19-byte hash makes an id that is recognised", () => {
    fc.assert(fc.property(hashes, (hash) => isCoValueId(idFromHash(hash))));
    expect(isCoValueId(idFromHash(new Uint8Array(19)))).toBe(true);
    expect(isCoValueId(idFromHash(new Uint8Array(19).fill(255)))).toBe(true);
  });

  test("a text is one exactly when its base58 makes 19 bytes", () => {
    const digit = fc.constantFrom(..."123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz");
    const digits = fc
      .tuple(fc.nat(20), fc.array(digit, { maxLength: 27 }))
      .map(([zeros, rest]) => "1".repeat(zeros) + rest.join("").slice(0, 27 - zeros));
    const nearEdges = fc.tuple(fc.nat(19), fc.constantFrom(-1, 0, 1)).map(([bytes, step]) => {
      const edge = 256n ** BigInt(bytes) + BigInt(step);
      const hex = (edge < 0n ? 0n : edge).toString(16).padStart(40, "0");
      return base58.encode(Uint8Array.from(Buffer.from(hex, "hex")).subarray(1));
    });
    fc.assert(
      fc.property(fc.oneof(digits, nearEdges), (text) => {
        expect(isCoValueId(`co_z${text}`)).toBe(text !== "" && base58.decode(text).length === 19);
      }),
      { numRuns: 3_000 },
    );
  });

  test.each([
    undefined,
    null,
    42,
    "",
    "co_z",
    "co_zshort",
    "group",
    `co_z${"0".repeat(20)}`,
    "co_zG5s72Q5GiScGCzWwhyWuH6JhjD\n",
  ])("%j is no id", (value) => {
    expect(parseCoValueId(value)).toBeUndefined();
  });
});

describe("Sprite names", () => {
  test("are lowercase DNS labels, short enough for an organisation's suffix", () => {
    fc.assert(
      fc.property(homes, (home) => {
        expect(spriteNameOf(home)).toMatch(/^[a-z][a-z0-9-]{0,38}[a-z0-9]$/);
      }),
    );
  });

  test("lead back to their home", () => {
    fc.assert(fc.property(homes, (home) => homeOfSprite(spriteNameOf(home)) === home));
  });

  test("differ for ids that differ only in the case of a letter", () => {
    const home = asHome(idFromHash(new Uint8Array(19).fill(7)));
    const letter = [...home.slice(4)].findIndex((char) => /[a-hj-km-np-z]/.test(char)) + 4;
    const other = asHome(
      (home.slice(0, letter) + home[letter]?.toUpperCase() + home.slice(letter + 1)) as typeof home,
    );
    expect(other).not.toBe(home);
    expect(other.toLowerCase()).toBe(home.toLowerCase());
    expect(spriteNameOf(other)).not.toBe(spriteNameOf(home));
  });

  test("that were never made lead nowhere", () => {
    for (const name of ["", "g-", "g-short", `g-${"a".repeat(30)}b`, `x-${"a".repeat(31)}`]) {
      expect(homeOfSprite(name)).toBeUndefined();
    }
  });

  test("are refused for an id whose hash has another length", () => {
    const longer = `co_z${"z".repeat(26)}`;
    expect(parseCoValueId(longer)).toBeUndefined();
    expect(() => spriteNameOf(longer as GroupId)).toThrow(/19 bytes/);
  });
});
