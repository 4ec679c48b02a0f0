import { blake3 } from "@noble/hashes/blake3.js";
import { stableStringify } from "cojson/dist/jsonStringify.js";
import { type CoValueId, idFromHash, isCoValueId } from "./ids.ts";

/** A cojson `CoValueHeader` as far as routing needs it; other members take part in the hash only. */
export interface CoValueHeader {
  readonly type: string;
  readonly ruleset:
    | { readonly type: "group"; readonly initialAdmin: string }
    | { readonly type: "ownedByGroup"; readonly group: CoValueId }
    | { readonly type: "unsafeAllowAll" };
  readonly meta?: Readonly<Record<string, unknown>> | null;
}

const encoder = new TextEncoder();

/**
 * The id that a header hashes to: the base58 of the first 19 bytes of the blake3 of its stable JSON
 * (cojson 0.20.19, `idforHeader` and `shortHash`).
 */
export function idOfHeader(header: unknown): CoValueId {
  return idFromHash(blake3(encoder.encode(stableStringify(header))));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether `value` has a header's shape. It may still not hash to the id it came with. */
export function isCoValueHeader(value: unknown): value is CoValueHeader {
  if (!isObject(value) || typeof value.type !== "string" || !isObject(value.ruleset)) return false;
  if (value.meta !== undefined && value.meta !== null && !isObject(value.meta)) return false;
  const { type, group, initialAdmin } = value.ruleset;
  if (type === "group") return typeof initialAdmin === "string";
  if (type === "ownedByGroup") return isCoValueId(group);
  return type === "unsafeAllowAll";
}

/** Whether the header proves the id: only content that does may place a CoValue or create a Sprite (design §3.2). */
export function provesId(id: CoValueId, header: CoValueHeader): boolean {
  try {
    return idOfHeader(header) === id;
  } catch {
    // A header nested so deeply that hashing overflows the stack proves nothing.
    return false;
  }
}

/** Whether the CoValue is a group; an account is one too. */
export function isGroupHeader(header: CoValueHeader): boolean {
  return header.ruleset.type === "group";
}

export function isAccountHeader(header: CoValueHeader): boolean {
  return isGroupHeader(header) && header.meta?.type === "account";
}
