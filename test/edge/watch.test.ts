import { expect, test } from "vitest";
import { awakeMessage, spreadIn } from "../../edge/awake-message.ts";
import type { HotlineSocket } from "../../edge/hotline.ts";
import { watchSprite } from "../../edge/watch.ts";
import { LIMITS } from "../../shared/limits.ts";

/** Watchers of one coordinator on a clock that only moves when told. */
class Crowd {
  now = 0;
  readonly dials: number[] = [];
  readonly stops: (() => void)[] = [];
  readonly #sockets: ((text: string) => void)[] = [];
  #timers: { at: number; action: () => void }[] = [];
  #seed = 1;

  async join(count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const socket: HotlineSocket = {
        addEventListener: (type: string, listener: (event: { data: unknown }) => void) => {
          if (type === "message") this.#sockets.push((text) => listener({ data: text }));
        },
        accept: () => undefined,
        send: () => undefined,
        close: () => undefined,
      };
      const stop = watchSprite({
        connect: async () => ({ webSocket: socket }),
        pause: () => Promise.resolve(),
        onAwake: () => this.dials.push(this.now),
        clock: {
          now: () => this.now,
          later: (ms, action) => {
            const timer = { at: this.now + ms, action };
            this.#timers.push(timer);
            return () => {
              this.#timers = this.#timers.filter((each) => each !== timer);
            };
          },
          random: () => {
            this.#seed = (this.#seed * 16_807) % 2_147_483_647;
            return this.#seed / 2_147_483_647;
          },
        },
      });
      this.stops.push(stop);
    }
    await new Promise((next) => setImmediate(next));
  }

  tell(): void {
    const text = awakeMessage(this.#sockets.length);
    for (const socket of this.#sockets.splice(0)) socket(text);
  }

  run(): void {
    for (const { at, action } of this.#timers.splice(0).sort((a, b) => a.at - b.at)) {
      this.now = at;
      action();
    }
  }

  /** The most dials in any second. */
  get peak(): number {
    return Math.max(
      ...this.dials.map((from) => this.dials.filter((at) => at >= from && at < from + 1_000).length),
    );
  }
}

test("A thousand watchers do not dial a Sprite that woke all at once, and all of them do", async () => {
  const crowd = new Crowd();
  await crowd.join(1_000);
  crowd.tell();
  expect(crowd.dials).toEqual([]);
  crowd.run();
  expect(crowd.dials).toHaveLength(1_000);
  expect(crowd.peak).toBeLessThan(1.2 * LIMITS.watchersPerSecond);
  expect(Math.max(...crowd.dials)).toBeLessThan(3_000);
});

test("A handful of watchers attach at once", async () => {
  const crowd = new Crowd();
  await crowd.join(20);
  crowd.tell();
  expect(crowd.dials).toHaveLength(20);
});

test("Who has something to send does not wait for its turn, nor attach twice", async () => {
  const crowd = new Crowd();
  await crowd.join(1_000);
  crowd.tell();
  // Its session attaches by itself and stops watching.
  crowd.stops[7]?.();
  crowd.run();
  expect(crowd.dials).toHaveLength(999);
});

test("No crowd makes anybody wait longer than the limit, and a message of another version nobody at all", () => {
  expect(spreadIn(awakeMessage(32_768))).toBe(LIMITS.watcherSpreadMaxMs);
  for (const text of ['{"type":"awake"}', "awake", '{"spreadMs":-1}', '{"spreadMs":1e99}', "null"]) {
    expect(spreadIn(text)).toBe(0);
  }
});
