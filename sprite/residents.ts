import type { RawCoID, StorageAPI } from "cojson";
import { SpriteSyncError } from "../shared/errors.ts";
import type { CoValueHeader } from "../shared/header.ts";
import { type CoValueId, parseCoValueId } from "../shared/ids.ts";
import type { TransactionLike } from "../shared/placement.ts";
import type { Home } from "./home.ts";
import type { NewCoValue } from "./residence.ts";

/** A store that can tell what is in it without reading the content. */
export interface HeaderStore {
  headers(limit: number, offset: number): Promise<{ readonly id: RawCoID; readonly header: unknown }[]>;
}

/** Part of what lives in one home. */
export interface ResidentsPage {
  readonly ids: readonly CoValueId[];
  /** Where the next page begins; `null` after the last. */
  readonly next: number | null;
}

/** CoValues looked at for a page. Most are judged by their headers alone; groups have to be loaded. */
const PAGE = 1_000;
/** How many groups are asked for, one for the other, before a CoValue counts as somebody else's. */
const DEPTH = 64;

/**
 * Which of the stored CoValues live here, from number `from` in the order of their creation: what the directory has to
 * know. Replicas of what lives elsewhere are not among them.
 * @throws SpriteSyncError `storage-failed` when the storage did not open, or cannot tell.
 */
export async function pageOfResidents(
  home: Home | undefined,
  store: (Pick<StorageAPI, "getCoValueCount"> & Partial<HeaderStore>) | undefined,
  from: number,
): Promise<ResidentsPage> {
  if (!home || !store?.headers) throw new SpriteSyncError("storage-failed", "the storage does not tell");
  const stored = await store.headers(PAGE, from);
  const ids: CoValueId[] = [];
  for (const { id, header } of stored) {
    const parsed = parseCoValueId(id);
    if (parsed && (await livesHere(home, parsed, header as CoValueHeader))) ids.push(parsed);
  }
  const { promise, resolve } = Promise.withResolvers<number>();
  store.getCoValueCount(resolve);
  return { ids, next: from + PAGE < (await promise) ? from + PAGE : null };
}

async function livesHere(home: Home, id: CoValueId, header: CoValueHeader): Promise<boolean> {
  // Where a group lives may depend on the parents that it has taken since its first content.
  const transactions = header.ruleset.type === "group" ? await transactionsOf(home, id) : [];
  const covalue: NewCoValue = { id, header, transactions };
  for (let asked = 0; asked < DEPTH; asked++) {
    const verdict = home.residence.judge(covalue);
    if (verdict === "resident") return true;
    if (verdict === "foreign" || !(await home.load(verdict.needs))) return false;
  }
  return false;
}

async function transactionsOf(home: Home, id: CoValueId): Promise<TransactionLike[]> {
  const core = await home.load(id);
  return [...(core?.verified?.getSessions().values() ?? [])].flatMap(({ transactions }) => transactions);
}
