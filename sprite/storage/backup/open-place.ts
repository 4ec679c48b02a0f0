import { SpriteSyncError } from "../../../shared/errors.ts";
import { DirectoryPlace } from "./directory-place.ts";
import type { BackupPlace } from "./place.ts";

/** The part of an environment that says how a bucket is reached; the names are those of the AWS tools. */
export interface PlaceEnv {
  readonly AWS_ACCESS_KEY_ID?: string | undefined;
  readonly AWS_SECRET_ACCESS_KEY?: string | undefined;
  readonly AWS_SESSION_TOKEN?: string | undefined;
  readonly AWS_REGION?: string | undefined;
  readonly AWS_DEFAULT_REGION?: string | undefined;
  readonly AWS_ENDPOINT_URL_S3?: string | undefined;
  readonly AWS_ENDPOINT_URL?: string | undefined;
}

const SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;

/**
 * Opens a place by its name: `s3://bucket/prefix`, or else a directory. Neither has to be there yet, but a bucket must be
 * before something is put into it.
 * @throws SpriteSyncError `config-invalid`
 */
export async function openPlace(where: string, env: PlaceEnv): Promise<BackupPlace> {
  if (where === "") throw new SpriteSyncError("config-invalid", "The place of the backups has no name.");
  if (!SCHEME.test(where)) return DirectoryPlace.open(where);
  if (!where.startsWith("s3://")) {
    const what = `${where} is no place for backups: use a directory, or s3://bucket/prefix for any S3-compatible service.`;
    throw new SpriteSyncError("config-invalid", what);
  }
  // The client takes 100 ms to load, which who uses a directory, or no backups, must not pay.
  const { S3Place } = await import("./s3-place.ts");
  return S3Place.open(where, env);
}
