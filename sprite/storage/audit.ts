import { isDeepStrictEqual } from "node:util";
import type { RawCoID } from "cojson";
import { keys, prefixes } from "./format.ts";
import { DamagedHistoryError } from "./history.ts";
import type { Journal } from "./journal.ts";
import { readLog } from "./log-scan.ts";
import { RowBuilder } from "./row-builder.ts";
import type { RowStore } from "./row-store.ts";

export interface AuditReport {
  /** CoValues with a row. */
  readonly covalues: number;
  /** Messages in the log, without erased ones. */
  readonly messages: number;
  readonly bytes: number;
  /** What is wrong, by CoValue where one is known. Empty for a sound store. */
  readonly problems: readonly { readonly id: RawCoID | undefined; readonly what: string }[];
}

/** Reads the whole log and compares what it says with the rows and their enumeration. Changes nothing. */
export async function auditStore(journal: Journal, rowStore: RowStore): Promise<AuditReport> {
  const problems: { id: RawCoID | undefined; what: string }[] = [];
  const builders = new Map<RawCoID, RowBuilder>();
  let messages = 0;
  let bytes = 0;
  for await (const { place, block } of readLog(journal)) {
    messages++;
    bytes += place.bytes;
    if (block instanceof DamagedHistoryError) {
      problems.push({ id: undefined, what: block.message });
      continue;
    }
    const id = block.id as RawCoID;
    const builder = builders.get(id) ?? new RowBuilder(id);
    builders.set(id, builder);
    builder.add(place, block);
  }
  for (const [id, builder] of builders) {
    const what = await compare(rowStore, journal, id, builder);
    if (what !== undefined) problems.push({ id, what });
  }
  let covalues = 0;
  for await (const { key } of journal.rows(prefixes.covalue)) {
    covalues++;
    const id = key.slice(prefixes.covalue.length) as RawCoID;
    if (!builders.has(id)) problems.push({ id, what: "has a row and nothing in the log" });
  }
  return { covalues, messages, bytes, problems };
}

async function compare(
  rowStore: RowStore,
  journal: Journal,
  id: RawCoID,
  builder: RowBuilder,
): Promise<string | undefined> {
  const expected = builder.finish();
  const row = await Promise.resolve(rowStore.get(id)).catch((error: unknown) => String(error));
  if (typeof row === "string") return row;
  if (row === undefined) return expected && "is in the log and has no row";
  if (expected === undefined) return "has a row and its header is lost";
  const { sealedPointerPages: _, tail: __, ...fields } = row;
  if (!isDeepStrictEqual(fields, expected.row)) return "its row is not what the log says";
  if (!isDeepStrictEqual(await rowStore.pointers(row), expected.pointers))
    return "its row does not point to all of it";
  const [ordinal] = await journal.readRows([keys.ordinal(row.ordinal)]);
  const enumerated = Buffer.isBuffer(ordinal) && JSON.parse(ordinal.toString()) === id;
  return enumerated ? undefined : "is not in the enumeration";
}
