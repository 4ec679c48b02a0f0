/** An object in a place. */
export interface PlaceObject {
  readonly key: string;
  readonly bytes: number;
}

/**
 * Where backups are kept. Keys are made of letters, digits, `-` and `.`, in parts separated by `/`.
 * All methods throw SpriteSyncErrors: `auth` and `config-invalid` when somebody has to change something, `storage-failed`
 * for a disk, `transient` for a bucket that may answer later.
 */
export interface BackupPlace {
  /** For people: where it is. Never a credential. */
  readonly name: string;
  /** Resolves when the object is there, whole and durable; until then it is not there at all. Replaces one of the same key. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** @returns `undefined` when there is no such object */
  get(key: string): Promise<Buffer | undefined>;
  /** All objects whose key starts with `prefix`, in order of their keys. */
  list(prefix: string): AsyncIterable<PlaceObject>;
  /** Does nothing when there is no such object. */
  delete(key: string): Promise<void>;
  close(): Promise<void>;
}
