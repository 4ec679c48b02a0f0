import { isDeepStrictEqual } from "node:util";
import type { CoValueId } from "../../../shared/ids.ts";
import { isCoValueId } from "../../../shared/ids.ts";
import { auditStore } from "../../../sprite/storage/audit.ts";
import type { Engine } from "../../../sprite/storage/engine.ts";
import { openEngine } from "../../../sprite/storage/open-storage.ts";
import { SpriteStorage } from "../../../sprite/storage/sprite-storage.ts";
import { loadAll } from "../storage/content.ts";
import type { Promises } from "./promises.ts";
import type { SignedValue, SignedWorld } from "./signed-world.ts";
import { CrashViolation } from "./violation.ts";

/**
 * Looks at a store that no process has open, and changes nothing: its index must say what its log says, and its content
 * must be what the authors signed, as much as was promised and no more than was sent.
 * @returns transactions that were there without having been promised
 * @throws CrashViolation
 */
export async function checkStored(
  directory: string,
  world: SignedWorld,
  promises: Promises,
): Promise<number> {
  const engine = await open(directory, promises);
  if (!engine) return 0;
  try {
    const { problems } = await auditStore(engine.journal, engine.rowStore);
    const [problem] = problems;
    if (problem)
      throw new CrashViolation(`audit: ${problem.id} ${problem.what} (${problems.length} problems)`);
    const storage = new SpriteStorage(engine);
    const ids = await engine.ids(engine.committer.count, 0);
    for (const id of promises.ids) if (!ids.some((other) => other === id)) throw lost(id);
    let unpromised = 0;
    for (const id of ids) {
      const value = isCoValueId(id) ? world.values.get(id) : undefined;
      if (!value) throw new CrashViolation(`on disk: ${id} is there, and nobody made it`);
      const state = { header: true, sessions: await checkContent(storage, value) };
      unpromised += promises.found(value.id, state, "on disk");
    }
    return unpromised;
  } finally {
    await engine.close();
  }
}

async function open(directory: string, promises: Promises): Promise<Engine | undefined> {
  try {
    return await openEngine(directory, { readOnly: true });
  } catch (error) {
    // Killed before the store was made. The next Sprite has to get on with what is there.
    if (promises.isEmpty) return undefined;
    throw new CrashViolation(`the store does not open: ${String(error)}`);
  }
}

/** @returns the stored transactions of each coSession. */
async function checkContent(storage: SpriteStorage, value: SignedValue): Promise<Record<string, number>> {
  const { id } = value;
  const messages = await loadAll(storage, id);
  if (!messages) throw lost(id);
  if (!isDeepStrictEqual(messages.find((message) => message.id === id)?.header, value.header)) {
    throw new CrashViolation(`on disk: ${id} has another header`);
  }
  const counts: Record<string, number> = {};
  for (const message of messages) {
    if (message.id !== id) continue;
    for (const [coSession, { after, newTransactions }] of Object.entries(message.new)) {
      if (after !== (counts[coSession] ?? 0))
        throw new CrashViolation(`on disk: ${id} ${coSession} has a gap`);
      assertGenuine(value, coSession, after, newTransactions, "on disk");
      counts[coSession] = after + newTransactions.length;
    }
  }
  for (const [coSession, count] of Object.entries(counts)) {
    if (value.chains.get(coSession)?.isWhole(count)) continue;
    throw new CrashViolation(`on disk: ${id} ${coSession} has a part of a message, up to ${count}`);
  }
  for (const [coSession, count] of Object.entries(storage.getKnownState(id).sessions)) {
    if (count === (counts[coSession] ?? 0)) continue;
    throw new CrashViolation(
      `on disk: ${id} ${coSession} is known to be ${count}, and loads ${counts[coSession]}`,
    );
  }
  return counts;
}

/** @throws CrashViolation when one of `transactions`, transactions from number `start`, is not what its author wrote. */
export function assertGenuine(
  value: SignedValue,
  coSession: string,
  start: number,
  transactions: readonly unknown[],
  where: string,
): void {
  const chain = value.chains.get(coSession);
  transactions.forEach((transaction, index) => {
    if (isDeepStrictEqual(transaction, chain?.transaction(start + index))) return;
    throw new CrashViolation(`${where}: ${value.id} ${coSession} ${start + index} is not what was written`);
  });
}

function lost(id: CoValueId): CrashViolation {
  return new CrashViolation(`on disk: ${id} is lost`);
}
