import { join } from "node:path";
import { expect, test } from "vitest";
import { backUp, listBackups, restoreBackup } from "../../../../sprite/storage/backup/index.ts";
import { newDirectory } from "../open-for-test.ts";
import { randomOf } from "../random.ts";
import { directoryPlace } from "./places.ts";
import { soundState, type WholeState, wholeState } from "./whole-state.ts";
import { WrittenStore } from "./written-store.ts";

const seed = Number(process.env.SPRITE_BACKUP_SEED ?? Date.now() % 1_000_000_000);
const runs = Number(process.env.SPRITE_BACKUP_RUNS ?? 4);
const STEPS = 40;
const RESTORES = 5;
const HOUR_MS = 60 * 60 * 1000;

/** One store with its backups, and what every backup must restore. */
class World {
  readonly #random: () => number;
  readonly #taken = new Map<string, WholeState>();
  readonly #deleted = new Set<number>();
  #hours = 0;
  restores = 0;
  pruned = 0;
  erased = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  async run(): Promise<void> {
    const place = await directoryPlace();
    const store = await WrittenStore.open();
    const steps: readonly (readonly [weight: number, () => Promise<void>])[] = [
      [12, () => this.#write(store)],
      [3, () => this.#delete(store)],
      [2, () => store.erase()],
      [1, () => store.bury()],
      [1, () => store.engine.journal.compact()],
      [1, () => store.unsync(this.#number(30), `peer${this.#number(3)}`)],
      [2, () => store.reopen()],
      [8, () => this.#backUp(store, place)],
    ];
    const tickets = steps.flatMap(([weight, step]) => Array.from({ length: weight }, () => step));
    await this.#write(store);
    for (let step = 0; step < STEPS; step++) {
      this.#hours += this.#number(30);
      const chosen = this.#number(tickets.length);
      await tickets[chosen]?.();
    }
    await this.#backUp(store, place);
    this.erased += (await wholeState(store.engine)).values.filter(({ erased }) => erased).length;
    await this.#compare(place);
  }

  async #write(store: WrittenStore): Promise<void> {
    const writes = Array.from({ length: 1 + this.#number(40) }, () => {
      const bytes = this.#random() < 0.05 ? 40_000 : this.#number(300);
      // More coSessions and messages than a row's pages hold.
      const value = this.#random() < 0.3 ? 0 : this.#number(30);
      return store.add(value, 1 + this.#number(4), { coSession: this.#number(20), bytes });
    });
    await Promise.all(writes);
  }

  async #delete(store: WrittenStore): Promise<void> {
    const value = 1 + this.#number(29);
    if (this.#deleted.has(value)) return;
    await store.add(value);
    await store.delete(value);
    this.#deleted.add(value);
  }

  async #backUp(store: WrittenStore, place: Awaited<ReturnType<typeof directoryPlace>>): Promise<void> {
    const report = await backUp(store.engine, place, {
      segmentBytes: 1_000 + this.#number(20_000),
      full: this.#random() < 0.1,
      fullAfterDays: 3,
      ...(this.#random() < 0.5 ? { keepDays: 5 } : {}),
      now: () => new Date(Date.UTC(2026, 0, 1) + this.#hours * HOUR_MS),
    });
    expect(report.damaged).toBe(0);
    this.pruned += report.pruned.generations;
    const state = await wholeState(store.engine);
    if (!report.made) expect(this.#taken.get(report.at)).toEqual(state);
    this.#taken.set(report.at, state);
  }

  async #compare(place: Awaited<ReturnType<typeof directoryPlace>>): Promise<void> {
    const listed = (await listBackups(place)).map(({ at }) => at);
    expect(listed.length).toBeGreaterThan(0);
    expect(listed.at(-1)).toBe([...this.#taken.keys()].at(-1));
    for (let round = 0; round < RESTORES; round++) {
      const at = listed[round === 0 ? listed.length - 1 : this.#number(listed.length)] ?? "";
      // Any time up to the next backup.
      const next = listed.find((other) => other > at);
      const until = next === undefined ? Date.parse(at) + HOUR_MS : Date.parse(next) - 1;
      const time = Date.parse(at) + Math.floor(this.#random() * (until - Date.parse(at)));
      const target = join(newDirectory(), "restored");
      await restoreBackup(place, target, { at: new Date(time) });
      expect(await soundState(target)).toEqual(this.#taken.get(at));
      this.restores++;
    }
  }

  #number(below: number): number {
    return Math.floor(this.#random() * below);
  }
}

test(`after any sequence of writes, deletions, erasures, compactions and backups, each backup restores its moment (seed ${seed})`, {
  timeout: 60_000 + runs * 30_000,
}, async () => {
  const seen = { restores: 0, pruned: 0, erased: 0 };
  for (let run = 0; run < runs; run++) {
    const world = new World(randomOf(seed + run));
    await world.run().catch((cause: unknown) => {
      throw new Error(`seed ${seed + run}`, { cause });
    });
    seen.restores += world.restores;
    seen.pruned += world.pruned;
    seen.erased += world.erased;
  }
  // Else it would prove little.
  expect(seen.restores).toBe(runs * RESTORES);
  expect(seen.pruned).toBeGreaterThan(0);
  expect(seen.erased).toBeGreaterThan(runs);
});
