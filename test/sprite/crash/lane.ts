import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { withTimeout } from "../../../shared/timeout.ts";
import { randomOf } from "../storage/random.ts";
import { LoadClient } from "./load-client.ts";
import { Promises } from "./promises.ts";
import { type Ending, nextRound } from "./round.ts";
import { newSignedWorld, type SignedValue, type SignedWorld } from "./signed-world.ts";
import { SpriteProcess } from "./sprite-process.ts";
import { checkStored } from "./stored-world.ts";
import { newTally, type Tally } from "./tally.ts";
import { CrashViolation } from "./violation.ts";

/** Rounds on one store: enough for compactions, and few enough that reading all of it stays quick. */
const ROUNDS_PER_WORLD = 20;
const READ_PER_ROUND = 2;
const WRITTEN_PER_ROUND = 4;
/** A Sprite that is alive listens, or exits, in this time, also on a busy machine. */
const HUNG_MS = 20_000;

export interface LaneOptions {
  readonly bundle: string;
  /** Where the stores are made; what is wrong stays there. */
  readonly directory: string;
  readonly durability: "flush" | "fsync";
  readonly seed: number;
  readonly rounds: number;
  /** Ends the lane before its next round. */
  readonly signal: AbortSignal;
  /** Called after each round. */
  readonly onRound?: (tally: Tally) => void;
}

/**
 * Kills Sprites, one after the other, on stores of one durability.
 * @throws CrashViolation with the seed, the round and the directory, at the first promise that was broken.
 */
export async function runLane(options: LaneOptions): Promise<Tally> {
  const tally = newTally();
  const random = randomOf(options.seed);
  while (tally.rounds < options.rounds && !options.signal.aborted) {
    const directory = join(options.directory, `${options.durability}-${tally.worlds}`);
    const world = new Lives(options, directory, random, tally);
    const rounds = Math.min(ROUNDS_PER_WORLD, options.rounds - tally.rounds);
    try {
      await world.play(rounds);
    } catch (error) {
      const where = `${options.durability}, seed ${options.seed}, round ${tally.rounds}, ${directory}`;
      throw new CrashViolation(`${String(error)} (${where})\n${world.lastWords}`, { cause: error });
    } finally {
      await world.end();
    }
    await rm(directory, { recursive: true, force: true });
    tally.worlds++;
  }
  return tally;
}

/** The lives of the Sprites of one home group on one store. */
class Lives {
  readonly #options: LaneOptions;
  readonly #data: string;
  readonly #random: () => number;
  readonly #tally: Tally;
  readonly #world: SignedWorld;
  readonly #promises: Promises;
  #sprite: SpriteProcess | undefined;
  /** How long a Sprite took to open its storage, the last time that one got so far. */
  #readyAfterMs = 250;

  constructor(options: LaneOptions, directory: string, random: () => number, tally: Tally) {
    this.#options = options;
    this.#data = join(directory, "store");
    this.#random = random;
    this.#tally = tally;
    this.#world = newSignedWorld(random);
    this.#promises = new Promises(this.#world);
  }

  /** The log of the Sprite that was last. */
  get lastWords(): string {
    return this.#sprite?.lastWords ?? "";
  }

  async play(rounds: number): Promise<void> {
    for (let round = 0; round < rounds && !this.#options.signal.aborted; round++) {
      for (const ending of nextRound(this.#random)) await this.#live(ending);
      this.#tally.unacknowledged += await checkStored(this.#data, this.#world, this.#promises);
      this.#tally.rounds++;
      this.#options.onRound?.(this.#tally);
    }
    await this.#lastLife();
  }

  /** Leaves no process behind. */
  async end(): Promise<void> {
    if (this.#sprite?.isRunning) await this.#sprite.kill();
  }

  #start(): SpriteProcess {
    const { bundle, durability } = this.#options;
    this.#sprite = new SpriteProcess({ bundle, durability, home: this.#world.home, data: this.#data });
    return this.#sprite;
  }

  async #live(ending: Ending): Promise<void> {
    const sprite = this.#start();
    if (ending.kind === "opening") {
      await delay(ending.part * this.#readyAfterMs);
      await this.#kill(sprite);
      return;
    }
    const client = await this.#connect(sprite);
    const some = this.#shuffledMaps();
    await Promise.all(some.slice(0, READ_PER_ROUND).map((value) => client.readAll(value)));
    const writing = Promise.all(some.slice(-WRITTEN_PER_ROUND).map((value) => client.write(value)));
    const began = withTimeout(client.firstAck, HUNG_MS, new CrashViolation("nothing was acknowledged"));
    await Promise.race([Promise.all([began, writing]), client.failed, died(sprite)]);
    await this.#linger(sprite, client, ending);
    await this.#kill(sprite);
    // What was on its way to the client is still heard, and counts.
    await client.ended();
    await Promise.race([client.failed, Promise.resolve()]);
    this.#tally.acknowledged += client.acknowledged;
    this.#tally.readBack += client.readBack;
    if (client.onTheirWay > 0) this.#tally.inFlight++;
  }

  async #connect(sprite: SpriteProcess): Promise<LoadClient> {
    const client = new LoadClient(this.#world, this.#promises);
    const hung = new CrashViolation(`the Sprite did not serve after ${HUNG_MS} ms`);
    const connected = sprite.port.then((port) => client.connect(port));
    await withTimeout(Promise.race([connected, died(sprite)]), HUNG_MS, hung);
    this.#readyAfterMs = sprite.readyAfterMs ?? this.#readyAfterMs;
    return client;
  }

  async #linger(sprite: SpriteProcess, client: LoadClient, ending: Exclude<Ending, { kind: "opening" }>) {
    if (ending.kind === "quiet") client.pause();
    await Promise.race([delay(ending.afterMs), client.failed, died(sprite)]);
    if (ending.kind === "quiet" || ending.stoppedMs === 0) return;
    sprite.signal("SIGSTOP");
    await delay(ending.stoppedMs);
  }

  async #kill(sprite: SpriteProcess): Promise<void> {
    const wasReady = sprite.readyAfterMs !== undefined;
    if (!sprite.isRunning) throw new CrashViolation("the Sprite ended by itself");
    await sprite.kill();
    this.#tally.kills++;
    if (!wasReady) this.#tally.beforeReady++;
  }

  /** Everything is read from a Sprite, which then stops in order. */
  async #lastLife(): Promise<void> {
    const sprite = this.#start();
    const client = await this.#connect(sprite);
    const all = Promise.all(this.#world.maps.map((value) => client.readAll(value)));
    await Promise.race([all, client.failed, died(sprite)]);
    this.#tally.readBack += client.readBack;
    sprite.signal("SIGTERM");
    const { code } = await withTimeout(sprite.exit, HUNG_MS, new CrashViolation("SIGTERM did not end it"));
    if (code !== 0) throw new CrashViolation(`an ordered stop ended with ${code}`);
    const found = await checkStored(this.#data, this.#world, this.#promises);
    if (found > 0) throw new CrashViolation(`${found} transactions appeared, which nobody had sent again`);
    if (!existsSync(this.#data)) throw new CrashViolation("there is no store");
  }

  /** The maps in an order of chance. */
  #shuffledMaps(): SignedValue[] {
    const drawn = this.#world.maps.map((value) => ({ value, place: this.#random() }));
    return drawn.sort((one, other) => one.place - other.place).map(({ value }) => value);
  }
}

/** Rejects when the process ends. */
async function died(sprite: SpriteProcess): Promise<never> {
  const { code, signal } = await sprite.exit;
  throw new CrashViolation(`the Sprite ended by itself, with ${code ?? signal}`);
}
