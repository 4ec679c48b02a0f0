import { base58 } from "@scure/base";

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** A cojson `RawCoID`: `co_z` and the base58 of the first 19 bytes of its header's blake3 hash. */
export type CoValueId = Branded<"CoValueId">;
declare const homeBrand: unique symbol;
/** The id of a home group (or of a CoValue that has no group and so is its own home). Every GroupId is a CoValueId. */
export type GroupId = CoValueId & { readonly [homeBrand]: true };

/** Bytes in the hash behind an id: `shortHashLength` in cojson 0.20.19 (`src/crypto/crypto.ts`). */
export const ID_HASH_BYTES = 19;

const ID_PREFIX = "co_z";
// 19 bytes make 26 base58 digits at most, and 19 when every byte is zero.
const ID_SHAPE = /^co_z[1-9A-HJ-NP-Za-km-z]{19,26}$/;

/** For n bytes of which the first is not zero: the smallest and the largest number that they make, in base58. */
const DIGIT_RANGES = Array.from({ length: ID_HASH_BYTES + 1 }, (_, bytes) => ({
  first: base58.encode(Uint8Array.from({ length: bytes }, (_, index) => (index === 0 ? 1 : 0))),
  last: base58.encode(new Uint8Array(bytes).fill(0xff)),
}));

/** Whether `value` is a CoValue id that a header can hash to: its base58 makes 19 bytes. Cheap: it does not decode it. */
export function isCoValueId(value: unknown): value is CoValueId {
  if (typeof value !== "string" || !ID_SHAPE.test(value)) return false;
  const digits = value.slice(ID_PREFIX.length);
  // In base58 a leading "1" is a byte that is zero; the rest is a number without leading zeros.
  let zeros = 0;
  while (digits[zeros] === "1") zeros++;
  const range = DIGIT_RANGES[ID_HASH_BYTES - zeros];
  const number = digits.slice(zeros);
  return range !== undefined && isAtMost(range.first, number) && isAtMost(number, range.last);
}

/** Compares numbers of base58 digits without leading zeros; the alphabet is in the order of its character codes. */
function isAtMost(one: string, other: string): boolean {
  return one.length === other.length ? one <= other : one.length < other.length;
}

/** Like {@link isCoValueId}, as a parser: the id, or `undefined` when `value` is none. */
export function parseCoValueId(value: unknown): CoValueId | undefined {
  return isCoValueId(value) ? value : undefined;
}

/** `id` as a home: for ids that placement, the directory or configuration named as one. */
export function asHome(id: CoValueId): GroupId {
  return id as GroupId;
}

// cojson 0.20.19 `SessionID`: an account's or agent's id, then `_session_z…`, or `_session_d…$` for a deletion.
const CO_SESSION_SHAPE = /^(?:co_z|sealer_z)[1-9A-Za-z_/]+_session_[zd][1-9A-HJ-NP-Za-km-z]*\$?$/;

/** Whether `value` has the shape of a cojson `SessionID` (one writer's log; "coSession" here). */
export function isCoSessionId(value: string): boolean {
  return CO_SESSION_SHAPE.test(value);
}

/** The id whose header hash begins with `hash` (at least 19 bytes). */
export function idFromHash(hash: Uint8Array): CoValueId {
  return (ID_PREFIX + base58.encode(hash.subarray(0, ID_HASH_BYTES))) as CoValueId;
}

/** The hash inside an id: 19 bytes. */
export function idToHash(id: CoValueId): Uint8Array {
  return base58.decode(id.slice(ID_PREFIX.length));
}
