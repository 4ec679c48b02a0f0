import type { CojsonInternalTypes } from "cojson";
import { z } from "zod";
import { isCoValueHeader, provesId } from "../../shared/header.ts";
import { isCoSessionId, isCoValueId } from "../../shared/ids.ts";

type NewContentMessage = CojsonInternalTypes.NewContentMessage;

const transactionSchema = z.union([
  z.looseObject({
    privacy: z.literal("private"),
    madeAt: z.number(),
    keyUsed: z.string(),
    encryptedChanges: z.string(),
  }),
  z.looseObject({ privacy: z.literal("trusting"), madeAt: z.number(), changes: z.string() }),
]);

const contentSchema = z.looseObject({
  action: z.literal("content"),
  id: z.string().refine(isCoValueId),
  new: z.record(
    z.string().refine(isCoSessionId),
    z.looseObject({
      after: z.int().nonnegative(),
      newTransactions: z.array(transactionSchema).min(1),
      lastSignature: z.templateLiteral(["signature_z", z.string()]),
    }),
  ),
});

/** A content message from outside, or why it must not be stored. */
export type CheckedContent =
  | { readonly message: NewContentMessage }
  | { readonly id: string | undefined; readonly refused: string };

/**
 * Checks a message (cojson 0.20.19, `NewContentMessage`) before it is imported: its shape, and that its header hashes
 * to its id. Signatures are not checked here; the LocalNode does that whenever it loads the CoValue.
 */
export function checkContent(value: unknown): CheckedContent {
  const { id, header } = (value ?? {}) as { id?: unknown; header?: unknown };
  const shown = isCoValueId(id) ? id : undefined;
  const shape = contentSchema.safeParse(value);
  if (!shape.success || !isCoValueId(id)) {
    const where = shape.error?.issues[0]?.path.map(placeOf).join(".") ?? "";
    return { id: shown, refused: `is no content message${where === "" ? "" : ` (${where})`}` };
  }
  if (header !== undefined && !isCoValueHeader(header)) return { id, refused: "has no valid header" };
  if (header !== undefined && !provesId(id, header)) {
    return { id, refused: "has a header that does not hash to its id" };
  }
  return { message: value as NewContentMessage };
}

/** A member's name; not a foreign key, which could be anything. */
function placeOf(part: PropertyKey): string {
  return typeof part === "number" || (typeof part === "string" && /^[a-zA-Z]{1,20}$/.test(part))
    ? String(part)
    : "…";
}
