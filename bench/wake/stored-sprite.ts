import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asHome, type GroupId } from "../../shared/ids.ts";
import { openStorage, type SpriteStorage } from "../../sprite/storage/index.ts";
import { contentOf, idOf, newNode } from "../../test/support/real-values.ts";
import { workload } from "../storage/workload.ts";

/** A Sprite's disk with CoValues on it, and what somebody needs who starts a Sprite there. */
export interface StoredSprite {
  /** About how many are stored. */
  readonly covalues: number;
  readonly home: GroupId;
  readonly passKeys: string;
  /** The Sprite's `SPRITE_DATA`. */
  readonly data: string;
  /** Asks for a value of two transactions, and how the answer begins. */
  readonly load: string;
  readonly answer: string;
  remove(): Promise<void>;
}

/** Values handed to the store at once: less than its queue takes. */
const BATCH = 2_000;

/** Makes a store of about `covalues` CoValues in a temporary directory: one group and one map are real, all others filler. */
export async function makeStoredSprite(covalues: number): Promise<StoredSprite> {
  const directory = await mkdtemp(join(tmpdir(), "sprite-sync-bench-"));
  const data = join(directory, "store");
  const { node } = await newNode();
  const group = node.createGroup();
  const note = group.createMap();
  note.set("title", "a note of a few words");
  const storage = await openStorage(data, { durability: "flush" });
  const real = [node.expectCurrentAccount("bench"), group, note].flatMap(contentOf);
  await store(storage, [...real.map((text) => JSON.parse(text)), ...workload({ covalues, messages: 1 })]);
  await storage.close();
  return {
    covalues,
    home: asHome(idOf(group)),
    passKeys: randomBytes(32).toString("hex"),
    data,
    load: JSON.stringify({ action: "load", id: note.id, header: false, sessions: {} }),
    answer: `{"action":"content","id":"${note.id}"`,
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

type Content = Parameters<SpriteStorage["store"]>[0];

async function store(storage: SpriteStorage, contents: readonly Content[]): Promise<void> {
  const refuse = () => {
    throw new Error("the store asks for more than it was given");
  };
  for (let start = 0; start < contents.length; start += BATCH) {
    const batch = contents.slice(start, start + BATCH);
    await Promise.all(
      batch.map((content) => new Promise<void>((done) => storage.store(content, refuse, () => done()))),
    );
  }
}
