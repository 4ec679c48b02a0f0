import type { Engine } from "../engine.ts";
import { type BackupReport, backUp } from "./back-up.ts";
import { CancellablePlace } from "./cancellable-place.ts";
import { openPlace, type PlaceEnv } from "./open-place.ts";

export interface OwnBackupOptions {
  /** A directory, or `s3://bucket/prefix`. */
  readonly place: string;
  /** How a bucket is reached. */
  readonly env: PlaceEnv;
  /** Days after which generations are removed; `undefined` keeps all. */
  readonly keepDays: number | undefined;
  /** Gives up: nothing is put into the place any more. */
  readonly signal: AbortSignal;
}

/** Backs up a store that this process serves from. @throws SpriteSyncError as {@link backUp} does, and when given up */
export async function backUpOwnStore(
  engine: Engine,
  { place: where, env, keepDays, signal }: OwnBackupOptions,
): Promise<BackupReport> {
  const place = await openPlace(where, env);
  try {
    const options = keepDays === undefined ? {} : { keepDays };
    return await backUp(engine, new CancellablePlace(place, signal), options);
  } finally {
    await place.close();
  }
}
