import { isDeepStrictEqual } from "node:util";
import type { RawCoID } from "cojson";
import type { Engine } from "../engine.ts";
import { keys, prefixes } from "../format.ts";
import { readBlocks } from "../history.ts";
import type { Pointer } from "../row.ts";
import { RowBuilder } from "../row-builder.ts";

const POINTERS_PER_READ = 64;

/** What a restored store must hold. */
export interface Expected {
  readonly covalues: number;
  readonly messages: number;
}

/**
 * An audit of a store that was just restored, with one CoValue in memory at a time: the general one (audit.ts) holds all.
 * Every row must be what its blocks say, and all rows together must point to every message that was written.
 * @returns what is wrong; empty for a sound store
 */
export async function checkRestored(
  engine: Engine,
  expected: Expected,
  checked: (covalues: number) => void = () => {},
): Promise<string[]> {
  const problems: string[] = [];
  let covalues = 0;
  let messages = 0;
  for await (const { key } of engine.journal.rows(prefixes.covalue)) {
    const id = key.slice(prefixes.covalue.length) as RawCoID;
    covalues++;
    try {
      messages += await checkRow(engine, id);
    } catch (error) {
      problems.push(`${id}: ${error instanceof Error ? error.message : String(error)}`);
    }
    checked(covalues);
  }
  if (problems.length > 0) return problems;
  if (covalues !== expected.covalues)
    problems.push(`${covalues} CoValues are there, of ${expected.covalues}`);
  if (messages !== expected.messages)
    problems.push(`${messages} messages are there, of ${expected.messages}`);
  return problems;
}

/** @returns the CoValue's messages @throws Error that says what is wrong */
async function checkRow({ journal, rowStore }: Engine, id: RawCoID): Promise<number> {
  const row = await rowStore.get(id);
  if (row === undefined) throw new Error("has no row");
  const pointers = await rowStore.pointers(row);
  const builder = new RowBuilder(id);
  for (let start = 0; start < pointers.length; start += POINTERS_PER_READ) {
    const some: Pointer[] = pointers.slice(start, start + POINTERS_PER_READ);
    for (const [index, block] of (await readBlocks(journal, id, some)).entries()) {
      const { seq, span, bytes } = some[index] ?? { seq: 0, span: 0, bytes: 0 };
      builder.add({ seq, span, bytes }, block);
    }
  }
  const built = builder.finish();
  const { sealedPointerPages: _, tail: __, ...fields } = row;
  if (!isDeepStrictEqual(built?.row, fields)) throw new Error("its row is not what the log says");
  if (!isDeepStrictEqual(built?.pointers, pointers)) throw new Error("its row does not point to all of it");
  const enumerated = await journal.readRow(keys.ordinal(row.ordinal));
  if (enumerated === null || JSON.parse(enumerated.toString()) !== id)
    throw new Error("is not in the enumeration");
  return pointers.length;
}
