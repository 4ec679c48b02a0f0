import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StorageAPI } from "cojson";
import { LocalNode } from "cojson";
import { WasmCrypto } from "cojson/crypto/WasmCrypto";
import { onTestFinished } from "vitest";
import { openStorage, type SpriteStorage, type StorageOptions } from "../../../sprite/storage/index.ts";

/** A directory that is gone after the test. */
export function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "sprite-storage-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A store that is closed after the test, in a new directory unless one is given. */
export async function openForTest(
  directory = newDirectory(),
  options: StorageOptions = {},
): Promise<SpriteStorage> {
  const storage = await openStorage(directory, options);
  onTestFinished(() => storage.close().catch(() => undefined));
  return storage;
}

/** A node with an own identity on this storage. */
export async function nodeOn(storage: StorageAPI): Promise<LocalNode> {
  const crypto = await WasmCrypto.create();
  const secret = crypto.newRandomAgentSecret();
  const node = new LocalNode(secret, crypto.newRandomSessionID(crypto.getAgentID(secret)), crypto);
  node.setStorage(storage);
  return node;
}
