import { auditStore } from "../../../../sprite/storage/audit.ts";
import { readContent } from "../../../../sprite/storage/content-stream.ts";
import type { Engine } from "../../../../sprite/storage/engine.ts";
import { parseUnsyncedKey, prefixes } from "../../../../sprite/storage/format.ts";
import { openEngine } from "../../../../sprite/storage/open-storage.ts";
import type { Content } from "../content.ts";

/** Everything that a store can be asked for. */
export interface WholeState {
  readonly count: number;
  /** In order of creation. */
  readonly values: readonly {
    readonly id: string;
    readonly ordinal: number;
    readonly erased: boolean;
    /** How far each coSession goes, in order of appearance. */
    readonly coSessions: unknown;
    /** As a load gives them: headers, transactions, signatures and cuts. */
    readonly messages: readonly Content[];
  }[];
  readonly pending: readonly string[];
  readonly unsynced: readonly unknown[];
}

export async function wholeState(engine: Engine): Promise<WholeState> {
  const { journal, rowStore, committer, eraser } = engine;
  const values: WholeState["values"][number][] = [];
  for (const id of await engine.ids(1_000_000, 0)) {
    const row = await rowStore.get(id);
    if (row === undefined) throw new Error(`${id} has no row`);
    const messages: Content[] = [];
    for await (const message of readContent(journal, row, await rowStore.pointers(row)))
      messages.push(message);
    values.push({ id, ordinal: row.ordinal, erased: row.erased, coSessions: row.coSessions, messages });
  }
  const unsynced: unknown[] = [];
  for await (const { key } of journal.rows(prefixes.unsynced)) unsynced.push(parseUnsyncedKey(key));
  return { count: committer.count, values, pending: await eraser.pending(), unsynced };
}

/** The state of a closed store that must be sound. @throws Error with what the audit says */
export async function soundState(directory: string): Promise<WholeState> {
  const engine = await openEngine(directory);
  try {
    const { problems } = await auditStore(engine.journal, engine.rowStore);
    if (problems.length > 0) throw new Error(`not sound: ${JSON.stringify(problems)}`);
    return await wholeState(engine);
  } finally {
    await engine.close();
  }
}
