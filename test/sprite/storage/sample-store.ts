import type { RawCoID, StorageAPI } from "cojson";
import { LocalNode, type RawCoMap } from "cojson";
import { openStorage, type SpriteStorage } from "../../../sprite/storage/index.ts";
import { crypto } from "../../support/crypto.ts";
import { loadAll, transactionsIn } from "./content.ts";
import { openForTest } from "./open-for-test.ts";

export const BINARY_BYTES = 1_000_000;

export interface Sample {
  readonly node: LocalNode;
  readonly map: RawCoMap;
  readonly binary: RawCoID;
  readonly deleted: RawCoID;
}

/** A node with an account on `storage`, and one of everything: nested groups, a large binary stream, a deleted map. */
export async function fillSample(storage: StorageAPI): Promise<Sample> {
  const creationProps = { name: "sample" };
  const { node } = await LocalNode.withNewlyCreatedAccount({ creationProps, crypto, storage });
  const parent = node.createGroup();
  const group = node.createGroup();
  group.extend(parent);
  const map = group.createMap();
  for (let i = 0; i < 20; i++) map.set(`key${i}`, `line\u2028${i}\n`);
  group.createList().append("item");
  const binary = group.createBinaryStream();
  binary.startBinaryStream({ mimeType: "application/octet-stream", fileName: "bytes" });
  for (let start = 0; start < BINARY_BYTES; start += 50_000) {
    binary.pushBinaryStreamChunk(crypto.randomBytes(Math.min(50_000, BINARY_BYTES - start)));
  }
  binary.endBinaryStream();
  const deleted = group.createMap();
  deleted.set("secret", "gone");
  deleted.core.deleteCoValue();
  await node.syncManager.waitForAllCoValuesSync();
  return { node, map, binary: binary.id, deleted: deleted.id };
}

/** A closed store with a sample in it. */
export async function makeSampleStore(directory: string): Promise<Sample> {
  const storage = await openStorage(directory);
  const sample = await fillSample(storage);
  await sample.node.gracefulShutdown();
  await storage.close();
  return sample;
}

/** All of a store: header and transactions of each CoValue, as a load gives them. */
export async function contentsOf(directory: string): Promise<Record<string, unknown>> {
  const storage = await openForTest(directory);
  const contents = await contentsOfStorage(storage, await idsIn(storage));
  await storage.close();
  return contents;
}

export async function contentsOfStorage(
  storage: StorageAPI,
  ids: readonly string[],
): Promise<Record<string, unknown>> {
  const contents: Record<string, unknown> = {};
  for (const id of ids) {
    const messages = (await loadAll(storage, id))?.filter((message) => message.id === id) ?? [];
    contents[id] = { header: messages[0]?.header, transactions: transactionsIn(messages, id) };
    // Else it would not be loaded again when it is a dependency that comes later.
    storage.onCoValueUnmounted(id as RawCoID);
  }
  return contents;
}

export function idsIn(storage: SpriteStorage): Promise<string[]> {
  return new Promise((resolve) =>
    storage.getCoValueIDs(100_000, 0, (batch) => resolve(batch.map(({ id }) => id))),
  );
}
