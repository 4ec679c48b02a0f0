import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { auditStore } from "../../../sprite/storage/audit.ts";
import type { Engine } from "../../../sprite/storage/engine.ts";
import { openEngine } from "../../../sprite/storage/open-storage.ts";
import { SpriteStorage } from "../../../sprite/storage/sprite-storage.ts";
import {
  type Content,
  contentOf,
  coSessionOf,
  idOf,
  type KnownState,
  loadAll,
  loadKnownState,
  transactionOf,
  transactionsIn,
} from "./content.ts";
import { newDirectory } from "./open-for-test.ts";

const DELETE = "co_zdeleter_session_d1$";

/** What the storage should hold: transactions by coSession, and what cojson has done to the CoValue. */
interface ModelValue {
  readonly counts: Map<string, number>;
  deleted: boolean;
  erased: boolean;
}

type Model = Map<number, ModelValue>;

interface Real {
  readonly directory: string;
  engine: Engine;
  storage: SpriteStorage;
  created: number[];
}

type Command = fc.AsyncCommand<Model, Real>;

async function open(directory: string): Promise<Pick<Real, "engine" | "storage">> {
  const engine = await openEngine(directory, { writeBufferBytes: 64 * 1024, rowCacheBytes: 2_000 });
  return { engine, storage: new SpriteStorage(engine) };
}

/** Stores of several messages at once, from clients that may be ahead of the storage, behind it, or repeat themselves. */
class Store implements Command {
  readonly pieces: readonly {
    value: number;
    coSession: number;
    skip: number;
    count: number;
    bytes: number;
  }[];

  constructor(pieces: Store["pieces"]) {
    this.pieces = pieces;
  }

  check = () => true;

  async run(model: Model, { storage, created }: Real): Promise<void> {
    const stores = this.pieces.map(({ value, coSession, skip, count, bytes }) => {
      const known = valueIn(model, created, value);
      const name = coSessionOf(coSession);
      const stored = known.counts.get(name) ?? 0;
      const after = Math.max(0, stored + skip);
      const end = after + count;
      known.counts.set(name, Math.max(stored, end));
      const piece = { id: idOf(value), coSession, bytes };
      // The client has everything up to the end of its message, header included.
      const correct = (asked: KnownState): Content[] => {
        const from = asked.sessions[name] ?? 0;
        return [contentOf({ ...piece, after: from, count: end - from, header: true })];
      };
      return new Promise<void>((done) => {
        storage.store(contentOf({ ...piece, after, count, header: skip <= 0 }), correct, done);
      });
    });
    await Promise.all(stores);
  }

  toString = () => `store ${JSON.stringify(this.pieces)}`;
}

class Delete implements Command {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }

  check = (model: Readonly<Model>) => model.has(this.value) && model.get(this.value)?.deleted === false;

  async run(model: Model, { storage }: Real): Promise<void> {
    const known = model.get(this.value);
    if (known === undefined) return;
    known.deleted = true;
    known.counts.set(DELETE, 1);
    const { new: content, ...message } = contentOf({
      id: idOf(this.value),
      coSession: 9,
      after: 0,
      count: 1,
      header: false,
    });
    storage.markDeleteAsValid(idOf(this.value));
    await new Promise<void>((done) => {
      storage.store(
        { ...message, new: { [DELETE]: Object.values(content)[0] } } as Content,
        () => undefined,
        done,
      );
    });
  }

  toString = () => `delete ${this.value}`;
}

class Erase implements Command {
  check = () => true;

  async run(model: Model, { storage }: Real): Promise<void> {
    await storage.eraseAllDeletedCoValues();
    for (const known of model.values()) {
      if (!known.deleted || known.erased) continue;
      known.erased = true;
      for (const coSession of known.counts.keys()) if (coSession !== DELETE) known.counts.delete(coSession);
    }
  }

  toString = () => "erase";
}

class Reopen implements Command {
  check = () => true;

  async run(_model: Model, real: Real): Promise<void> {
    await real.storage.close();
    Object.assign(real, await open(real.directory));
  }

  toString = () => "reopen";
}

class CompareAll implements Command {
  check = () => true;

  async run(model: Model, real: Real): Promise<void> {
    await compare(model, real);
  }

  toString = () => "compare";
}

function valueIn(model: Model, created: number[], value: number): ModelValue {
  let known = model.get(value);
  if (known === undefined) {
    known = { counts: new Map(), deleted: false, erased: false };
    model.set(value, known);
    created.push(value);
  }
  return known;
}

async function compare(model: Model, { storage, engine, created }: Real): Promise<void> {
  for (const [value, { counts }] of model) {
    const id = idOf(value);
    const loaded = transactionsIn((await loadAll(storage, id)) ?? [], id);
    expect(Object.fromEntries(Object.entries(loaded).map(([name, texts]) => [name, texts.length]))).toEqual(
      Object.fromEntries(counts),
    );
    for (const [name, texts] of Object.entries(loaded)) {
      if (name === DELETE) continue;
      texts.forEach((text, index) => {
        const { madeAt } = transactionOf(index, name);
        expect(JSON.parse(text)).toMatchObject({
          madeAt,
          changes: expect.stringContaining(`"${name}/${index}"`),
        });
      });
    }
    storage.onCoValueUnmounted(id);
    expect((await loadKnownState(storage, id))?.sessions).toEqual(Object.fromEntries(counts));
  }
  const ids = await new Promise((resolve) => storage.getCoValueIDs(1_000, 0, resolve));
  expect(ids).toEqual(created.map((value) => ({ id: idOf(value) })));
  expect((await auditStore(engine.journal, engine.rowStore)).problems).toEqual([]);
}

const value = fc.nat({ max: 5 });
const piece = fc.record({
  value,
  coSession: fc.nat({ max: 20 }),
  skip: fc.integer({ min: -4, max: 3 }),
  count: fc.integer({ min: 1, max: 6 }),
  bytes: fc.constantFrom(20, 20, 20, 30_000),
});
const commands = fc.commands(
  [
    fc.array(piece, { minLength: 1, maxLength: 30 }).map((pieces) => new Store(pieces)),
    fc.array(piece, { minLength: 1, maxLength: 30 }).map((pieces) => new Store(pieces)),
    value.map((number) => new Delete(number)),
    fc.constant(new Erase()),
    fc.constant(new Reopen()),
    fc.constant(new CompareAll()),
  ],
  { maxCommands: 25 },
);

const seed = Number(process.env.SPRITE_MODEL_SEED ?? Date.now() % 1_000_000_000);
const runs = Number(process.env.SPRITE_MODEL_RUNS ?? 25);

test(`any sequence of stores, deletions, erasures and reopenings leaves exactly what a model holds (seed ${seed})`, async () => {
  let executed = 0;
  await fc.assert(
    fc.asyncProperty(commands, async (sequence) => {
      const directory = newDirectory();
      const model: Model = new Map();
      const real: Real = { directory, created: [], ...(await open(directory)) };
      onTestFinished(() => real.storage.close().catch(() => undefined));
      await fc.asyncModelRun(() => ({ model, real }), sequence);
      await new Reopen().run(model, real);
      await compare(model, real);
      await real.storage.close();
      executed += model.size;
    }),
    { seed, numRuns: runs },
  );
  expect(executed).toBeGreaterThan(runs);
}, 120_000);
