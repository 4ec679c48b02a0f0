import { onTestFinished } from "vitest";
import { type BackupPlace, openPlace } from "../../../../sprite/storage/backup/index.ts";
import type { PlaceObject } from "../../../../sprite/storage/backup/place.ts";
import { newDirectory } from "../open-for-test.ts";
import { BUCKET, startS3 } from "./s3-server.ts";

/** Each kind of place, new and empty, until the test ends. */
export const KINDS: Readonly<Record<string, () => Promise<BackupPlace>>> = {
  "a directory": () => closed(openPlace(newDirectory(), {})),
  "a bucket": async () => closed(openPlace(`s3://${BUCKET}/some/prefix`, await startS3())),
};

async function closed(opening: Promise<BackupPlace>): Promise<BackupPlace> {
  const place = await opening;
  onTestFinished(() => place.close());
  return place;
}

export function directoryPlace(directory = newDirectory()): Promise<BackupPlace> {
  return closed(openPlace(directory, {}));
}

export async function keysIn(place: BackupPlace, prefix = ""): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of place.list(prefix)) keys.push(key);
  return keys;
}

export type Before = (
  call: "put" | "get" | "list" | "delete",
  key: string,
  bytes: Uint8Array,
) => Promise<void> | void;

/** A place with something done before each call. */
export class WatchedPlace implements BackupPlace {
  readonly name: string;
  readonly #place: BackupPlace;
  readonly #before: Before;

  constructor(place: BackupPlace, before: Before) {
    this.name = place.name;
    this.#place = place;
    this.#before = before;
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    await this.#before("put", key, bytes);
    await this.#place.put(key, bytes);
  }

  async get(key: string): Promise<Buffer | undefined> {
    await this.#before("get", key, NOTHING);
    return this.#place.get(key);
  }

  async *list(prefix: string): AsyncGenerator<PlaceObject> {
    await this.#before("list", prefix, NOTHING);
    yield* this.#place.list(prefix);
  }

  async delete(key: string): Promise<void> {
    await this.#before("delete", key, NOTHING);
    await this.#place.delete(key);
  }

  async close(): Promise<void> {}
}

const NOTHING = new Uint8Array();
