import pLimit from "p-limit";
import type { BackupPlace } from "./place.ts";
import { backupsOf, indexPlace, readRecord } from "./place-index.ts";

const READS_AT_ONCE = 8;

/** One backup, as `backups` shows it. */
export interface ListedBackup {
  readonly store: string;
  readonly generation: string;
  /** ISO 8601: what `restore --at` takes. */
  readonly at: string;
  /** Absent when the record cannot be used; `wrong` says why. */
  readonly covalues?: number;
  readonly messages?: number;
  readonly damaged?: number;
  /** Objects that it needs, and their bytes; backups share most of them. */
  readonly objects?: number;
  readonly bytes?: number;
  readonly wrong?: string;
}

/** All backups in a place, by store, in order of time. Reads their records, and no content. */
export async function listBackups(place: BackupPlace): Promise<ListedBackup[]> {
  const limit = pLimit(READS_AT_ONCE);
  const found = (await indexPlace(place)).flatMap((store) =>
    backupsOf(store).map((backup) => ({ ...backup, store: store.id })),
  );
  return Promise.all(found.map(({ key, at, store }) => limit(() => describe(place, key, at, store))));
}

async function describe(place: BackupPlace, key: string, at: Date, store: string): Promise<ListedBackup> {
  const named = { store, generation: key.split("/")[1] ?? "", at: at.toISOString() };
  const record = await readRecord(place, key).catch((error: unknown) => ({
    wrong: error instanceof Error ? error.message : String(error),
  }));
  if ("wrong" in record) return { ...named, wrong: record.wrong };
  const sum = (field: "messages" | "damaged" | "stored") =>
    record.segments.reduce((total, segment) => total + segment[field], 0);
  return {
    ...named,
    covalues: record.covalues,
    messages: sum("messages"),
    damaged: sum("damaged"),
    objects: record.segments.length,
    bytes: sum("stored"),
  };
}
