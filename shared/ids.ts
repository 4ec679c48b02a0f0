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

/** Whether `value` has the shape of a CoValue id. Cheap: it does not decode the base58. */
export function isCoValueId(value: unknown): value is CoValueId {
  return typeof value === "string" && ID_SHAPE.test(value);
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

/**
 * The hash bytes inside an id.
 * @returns 19 bytes, or `undefined` when the base58 decodes to any other length.
 */
export function idToHash(id: CoValueId): Uint8Array | undefined {
  const bytes = base58.decode(id.slice(ID_PREFIX.length));
  return bytes.length === ID_HASH_BYTES ? bytes : undefined;
}
