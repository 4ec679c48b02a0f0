import type { CojsonInternalTypes, SessionID } from "cojson";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Block, DamagedBlockError, decodeBlock, encodeBlock } from "../../../sprite/storage/block.ts";

type Transaction = CojsonInternalTypes.Transaction;

const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" }),
  fc.constant("\ud800 alone"),
);
const ciphertext = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => `encrypted_U${Buffer.from(bytes).toString("base64url")}`),
  fc
    .uint8Array({ maxLength: 300 })
    .map(
      (bytes) =>
        `encrypted_U${Buffer.from(bytes).toString("base64").replaceAll("+", "-").replaceAll("/", "_")}`,
    ),
  // Spellings that base64url would not give back.
  text.map((rest) => `encrypted_U${rest}`),
  text,
);
const madeAt = fc.oneof(fc.nat(), fc.double({ noNaN: true, noDefaultInfinity: true }));

const transaction = fc.oneof(
  fc.record({ privacy: fc.constant("private"), madeAt, keyUsed: text, encryptedChanges: ciphertext }),
  fc.record({
    privacy: fc.constant("private"),
    madeAt,
    keyUsed: text,
    encryptedChanges: ciphertext,
    meta: ciphertext,
  }),
  fc.record({ privacy: fc.constant("trusting"), madeAt, changes: text }),
  fc.record({ privacy: fc.constant("trusting"), madeAt, changes: text, meta: text, future: fc.jsonValue() }),
) as unknown as fc.Arbitrary<Transaction>;

const block: fc.Arbitrary<Block> = fc.record({
  id: fc.string({ minLength: 1 }),
  ordinal: fc.nat(),
  header: fc.constantFrom(undefined, {
    type: "comap",
    ruleset: { type: "unsafeAllowAll" },
    meta: null,
    uniqueness: "z",
  }),
  tombstone: fc.boolean(),
  entries: fc.array(
    fc.record({
      coSession: fc.string() as fc.Arbitrary<SessionID>,
      after: fc.nat(),
      transactions: fc.array(transaction, { maxLength: 4 }),
      signature: fc.string() as unknown as fc.Arbitrary<CojsonInternalTypes.Signature>,
      boundary: fc.boolean(),
    }),
    { maxLength: 3 },
  ),
}) as fc.Arbitrary<Block>;

test("a block comes back with every string as it was, whatever the transactions hold", () => {
  fc.assert(
    fc.property(block, (original) => {
      // What came over the wire is JSON: -0 and undefined do not occur there.
      const sent = JSON.parse(JSON.stringify(original)) as Block;
      expect(JSON.parse(JSON.stringify(decodeBlock(encodeBlock(sent))))).toEqual(sent);
    }),
    { numRuns: 500 },
  );
});

test("a block with any byte changed, or cut short anywhere, is recognised as damaged", () => {
  fc.assert(
    fc.property(
      block,
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      fc.boolean(),
      (original, at, change, cut) => {
        const bytes = encodeBlock(original);
        const offset = at % bytes.length;
        if (!cut) bytes.writeUInt8(bytes.readUInt8(offset) ^ change, offset);
        expect(() => decodeBlock(cut ? bytes.subarray(0, offset) : bytes)).toThrow(DamagedBlockError);
      },
    ),
    { numRuns: 500 },
  );
});

test("ciphertext takes a quarter less room than its text", () => {
  const encryptedChanges = `encrypted_U${Buffer.alloc(3000, 7).toString("base64url")}`;
  const entry = {
    coSession: "s" as SessionID,
    after: 0,
    signature: "signature_z1" as CojsonInternalTypes.Signature,
  };
  const transactions = [
    { privacy: "private", madeAt: 1, keyUsed: "key_z1", encryptedChanges } as unknown as Transaction,
  ];
  const bytes = encodeBlock({
    id: "co_z1",
    ordinal: 0,
    header: undefined,
    tombstone: false,
    entries: [{ ...entry, transactions, boundary: false }],
  });
  expect(bytes.length).toBeLessThan(encryptedChanges.length * 0.8);
});
