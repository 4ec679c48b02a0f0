import { SpriteSyncError } from "../../../shared/errors.ts";
import { type BackupRecord, decodeRecord } from "./backup-record.ts";
import { isIntact, parseKey, startOf } from "./layout.ts";
import type { BackupPlace } from "./place.ts";

/** The name of a backup, and the time that it holds. */
export interface FoundBackup {
  readonly key: string;
  readonly at: Date;
}

/** A full copy of a store, and what was added to it. Without a backup it was interrupted, or is being made. */
export interface FoundGeneration {
  readonly id: string;
  /** In order of time. */
  readonly backups: readonly FoundBackup[];
  /** Bytes of its segments, by key. */
  readonly segments: ReadonlyMap<string, number>;
}

/** All that a place has of one store, in order of time. */
export interface FoundStore {
  readonly id: string;
  readonly generations: readonly FoundGeneration[];
}

interface Generation {
  readonly id: string;
  readonly backups: FoundBackup[];
  readonly segments: Map<string, number>;
}

/** What is in a place, by name. @param prefix only of objects with this prefix */
export async function indexPlace(place: BackupPlace, prefix = ""): Promise<FoundStore[]> {
  const stores = new Map<string, Map<string, Generation>>();
  for await (const { key, bytes } of place.list(prefix)) {
    const parsed = parseKey(key);
    if (parsed === undefined) continue;
    const { store, generation: id, at } = parsed;
    const generations = stores.get(store) ?? new Map<string, Generation>();
    stores.set(store, generations);
    const generation: Generation = generations.get(id) ?? { id, backups: [], segments: new Map() };
    generations.set(id, generation);
    if (at === undefined) generation.segments.set(key, bytes);
    else generation.backups.push({ key, at });
  }
  return [...stores].map(([id, generations]) => ({
    id,
    // Listed in order of their names, which is that of time, in each generation, and so are the generations.
    generations: [...generations.values()],
  }));
}

export function backupsOf({ generations }: FoundStore): FoundBackup[] {
  const all = generations.flatMap(({ backups }) => backups);
  return all.sort((a, b) => a.at.getTime() - b.at.getTime() || (a.key < b.key ? -1 : 1));
}

/** When something was last added to a generation. */
export function lastTimeOf({ id, backups }: FoundGeneration): Date {
  return backups.at(-1)?.at ?? startOf(id);
}

/**
 * @returns the record, or what is wrong with it
 * @throws SpriteSyncError `config-invalid` when a newer program has written it; the place's errors
 */
export async function readRecord(
  place: BackupPlace,
  key: string,
): Promise<BackupRecord | { readonly wrong: string }> {
  const bytes = await place.get(key);
  if (bytes === undefined) return { wrong: "is missing" };
  const record = isIntact(key, bytes) ? decodeRecord(key, bytes) : undefined;
  return record ?? { wrong: "is damaged" };
}

/**
 * The only store in a place, or the one that `wanted` begins the name of.
 * @throws SpriteSyncError `config-invalid` when there is none, or a choice
 */
export async function storeIn(place: BackupPlace, wanted = ""): Promise<FoundStore> {
  const found = (await indexPlace(place)).filter(
    (store) => store.id.startsWith(wanted) && backupsOf(store).length > 0,
  );
  const [only, ...others] = found;
  if (only === undefined) {
    const which = wanted === "" ? "no backup" : `no backup of a store ${wanted}`;
    throw new SpriteSyncError("config-invalid", `There is ${which} in ${place.name}.`);
  }
  if (others.length === 0) return only;
  const list = found.map((store) => `${store.id} (last ${backupsOf(store).at(-1)?.at.toISOString()})`);
  const what = `${place.name} has backups of ${found.length} stores. Name the one that is meant, with --store: ${list.join(", ")}.`;
  throw new SpriteSyncError("config-invalid", what);
}
