import { beforeEach, describe, expect, test } from "vitest";
import { Budget } from "../../edge/budget.ts";
import type { Piece } from "../../edge/unacknowledged.ts";
import { Upstream } from "../../edge/upstream.ts";
import type { SpriteSocket } from "../../edge/upstream-deps.ts";
import { catchUpMessage } from "../../shared/control.ts";
import { SpriteSyncError } from "../../shared/errors.ts";
import { asHome, idFromHash } from "../../shared/ids.ts";
import { CLOSE, LIMITS } from "../../shared/limits.ts";

const HOME = asHome(idFromHash(new Uint8Array(19).fill(3)));
const silent = { debug() {}, info() {}, warn() {}, error() {} };

class Socket implements SpriteSocket {
  readonly frames: string[] = [];
  closedWith: number | undefined;
  #handlers: Parameters<SpriteSocket["listen"]>[0] | undefined;
  readonly period: { number: number; boot: string };

  constructor(boot: string) {
    this.period = { number: 1, boot };
  }
  send(frame: string): void {
    this.frames.push(frame);
  }
  close(code: number): void {
    this.closedWith = code;
  }
  listen(handlers: Parameters<SpriteSocket["listen"]>[0]): void {
    this.#handlers = handlers;
  }
  receive(frame: string): void {
    this.#handlers?.onFrame(frame);
  }
  end(code: number): void {
    this.#handlers?.onClose(code);
  }
  get messages(): string[] {
    return this.frames.flatMap((frame) => frame.split("\n"));
  }
}

/** Content that is kept. */
function piece(text: string): Piece {
  return { header: false, starts: {}, reaches: {}, text, bytes: text.length, queued: false };
}

/** The Sprite answers all marks, until no more come. */
async function workOff(socket: Socket): Promise<void> {
  const marks = () => socket.messages.filter((text) => text.includes("sprite-sync-mark:"));
  for (let answered = 0; answered < marks().length; ) {
    for (const mark of marks().slice(answered)) {
      answered++;
      socket.receive(JSON.stringify({ action: "reconcile-ack", id: JSON.parse(mark).id }));
    }
    await turn();
  }
}

/** An upstream whose clock, dials and watchers are the test's. */
class Harness {
  now = 0;
  owes = false;
  follows = true;
  repairs = false;
  clogged = false;
  isNews = true;
  replay: string[] = [];
  unacknowledged: Piece[] = [];
  readonly dials: (PromiseWithResolvers<SpriteSocket> & { fresh: boolean })[] = [];
  readonly timers: { ms: number; action: () => void; cancelled: boolean }[] = [];
  readonly watches: { boot: string; onAwake: () => void; stopped: boolean }[] = [];
  readonly received: string[] = [];
  readonly trouble: string[] = [];
  lost = 0;

  readonly upstream = new Upstream(HOME, {
    dial: (_, fresh) => {
      const dial = { ...Promise.withResolvers<SpriteSocket>(), fresh };
      this.dials.push(dial);
      return dial.promise;
    },
    watch: (_, boot, onAwake) => {
      const watch = { boot, onAwake, stopped: false };
      this.watches.push(watch);
      return () => {
        watch.stopped = true;
      };
    },
    onMessage: (_, message) => this.received.push(message.text),
    onAttached: () => this.replay,
    unacknowledged: () => this.unacknowledged,
    onLost: () => this.lost++,
    owes: () => this.owes,
    follows: () => this.follows,
    repairs: () => this.repairs,
    clogged: () => this.clogged,
    isNews: () => this.isNews,
    onTrouble: (_, error) => this.trouble.push(error.code),
    now: () => this.now,
    later: (ms, action) => {
      const timer = { ms, action, cancelled: false };
      this.timers.push(timer);
      return () => {
        timer.cancelled = true;
      };
    },
    random: () => 0.5,
    queue: new Budget(LIMITS.upstreamQueueBytes),
    flight: new Budget(LIMITS.spriteUnreadBytes),
    unreadBytes: LIMITS.spriteUnreadBytes,
    markBytes: LIMITS.markBytes,
    log: silent,
  });

  async connect(boot = "boot-1"): Promise<Socket> {
    const socket = new Socket(boot);
    this.dials.at(-1)?.resolve(socket);
    await turn();
    return socket;
  }

  async fail(error: SpriteSyncError): Promise<void> {
    this.dials.at(-1)?.reject(error);
    await turn();
  }

  async fire(): Promise<void> {
    this.timers.pop()?.action();
    await turn();
  }
}

const turn = () => new Promise((next) => setImmediate(next));
const DONE = `{"action":"done","id":"${HOME}"}`;

describe("an upstream", () => {
  let harness: Harness;
  beforeEach(() => {
    harness = new Harness();
  });

  test("dials once for many messages and sends them in order, behind what the attach replays", async () => {
    harness.replay = ["replayed"];
    for (const message of ["a", "b", "c"]) expect(harness.upstream.send(message)).toBe(true);
    expect(harness.dials).toHaveLength(1);
    const socket = await harness.connect();
    expect(socket.messages).toEqual(["replayed", "a", "b", "c"]);
    harness.upstream.send("d");
    await turn();
    expect(socket.messages.at(-1)).toBe("d");
  });

  test("hands messages on, but not pings, and survives what it cannot read", async () => {
    harness.upstream.attach();
    const socket = await harness.connect();
    socket.receive(`{"type":"ping","time":1,"dc":"x"}\n${DONE}`);
    socket.receive("not a message");
    socket.receive(DONE);
    expect(harness.received).toEqual([DONE, DONE]);
  });

  test("for a client that does not read passes on answers and what is no news, and ends at the first news", async () => {
    const content = `{"action":"content","id":"${HOME}","priority":3,"new":{}}`;
    const answer = `{"action":"known","id":"${HOME}","header":true,"sessions":{}}`;
    harness.upstream.attach();
    const socket = await harness.connect();
    socket.receive(content);
    harness.clogged = true;
    socket.receive(`${answer}\n${DONE}`);
    harness.isNews = false;
    socket.receive(content);
    expect(harness.received).toEqual([content, answer, DONE, content]);
    expect([harness.upstream.state, harness.lost]).toEqual(["open", 0]);
    harness.isNews = true;
    // Nothing behind it is passed on either: the repair covers it.
    socket.receive(`${content}\n${answer}`);
    expect(harness.received).toHaveLength(4);
    expect([harness.upstream.state, harness.lost]).toEqual(["held", 1]);
    harness.upstream.unclogged();
    expect(harness.dials).toHaveLength(1);
    harness.clogged = false;
    harness.upstream.unclogged();
    expect(harness.dials).toHaveLength(2);
  });

  test("watches when the Sprite falls asleep, and attaches when it is awake again", async () => {
    harness.upstream.attach();
    (await harness.connect("boot-7")).end(CLOSE.asleep);
    expect(harness.lost).toBe(1);
    expect(harness.watches).toMatchObject([{ boot: "boot-7" }]);
    expect(harness.dials).toHaveLength(1);
    harness.watches[0]?.onAwake();
    expect(harness.dials).toHaveLength(2);
    await harness.connect("boot-8");
    expect(harness.upstream.open).toBe(true);
  });

  test("wakes the Sprite when the client has something to send, and stops watching", async () => {
    harness.upstream.attach();
    (await harness.connect()).end(CLOSE.asleep);
    harness.upstream.send("wake up");
    expect(harness.watches[0]?.stopped).toBe(true);
    expect((await harness.connect()).messages).toEqual(["wake up"]);
  });

  test("attaches again at once when a Sprite fell asleep on something that was not acknowledged", async () => {
    harness.upstream.attach();
    const socket = await harness.connect();
    harness.owes = true;
    socket.end(CLOSE.asleep);
    expect(harness.watches).toEqual([]);
    expect(harness.timers).toMatchObject([{ ms: 0 }]);
    await harness.fire();
    expect(harness.dials).toHaveLength(2);
  });

  test("lets a Sprite sleep although something is owed, when attaching again leads to nothing", async () => {
    harness.upstream.attach();
    harness.owes = true;
    for (let n = 0; n < 2; n++) {
      (await harness.connect()).end(CLOSE.asleep);
      await harness.fire();
    }
    (await harness.connect("boot-last")).end(CLOSE.asleep);
    expect([harness.timers, harness.watches]).toMatchObject([[], [{ boot: "boot-last" }]]);
  });

  test("does not watch what nobody follows", async () => {
    harness.follows = false;
    harness.upstream.attach();
    (await harness.connect()).end(CLOSE.asleep);
    expect([harness.watches, harness.timers]).toEqual([[], []]);
  });

  test("attaches again after a crash although nothing is owed: news may have been on the way", async () => {
    harness.upstream.attach();
    (await harness.connect()).end(1006);
    expect(harness.timers[0]?.ms).toBeGreaterThan(0);
    await harness.fire();
    expect(harness.dials).toHaveLength(2);
  });

  test("asks for a fresh address after a failed dial, ever more slowly", async () => {
    harness.upstream.send("a");
    const pauses: number[] = [];
    for (let n = 0; n < 8; n++) {
      await harness.fail(new SpriteSyncError("transient", "no"));
      pauses.push(harness.timers.at(-1)?.ms ?? 0);
      await harness.fire();
    }
    expect(harness.dials.map(({ fresh }) => fresh)).toEqual([false, ...Array(8).fill(true)]);
    expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
    expect(Math.max(...pauses)).toBeLessThanOrEqual(LIMITS.attachRetryMaxMs);
    expect((await harness.connect()).messages).toEqual(["a"]);
  });

  test("tells the client of trouble that will not pass, waits as long as it was told, and goes on trying", async () => {
    harness.upstream.send("a");
    await harness.fail(new SpriteSyncError("quota", "over the quota", { retryAfterMs: 60_000 }));
    expect(harness.trouble).toEqual(["quota"]);
    expect(harness.timers.at(-1)?.ms).toBe(60_000);
  });

  test("does not take what finds no room in its queue, and says so", async () => {
    const long = "x".repeat(LIMITS.markBytes / 2);
    const fits = LIMITS.upstreamQueueBytes / long.length;
    for (let n = 0; n < fits; n++) expect(harness.upstream.send(long)).toBe(true);
    expect(harness.upstream.send("one more")).toBe(false);
    harness.replay = ["repair"];
    const socket = await harness.connect();
    expect(socket.messages[0]).toBe("repair");
    expect(socket.messages).not.toContain("one more");
  });

  test("sends what was sent and not acknowledged again on the next socket, before what waits", async () => {
    harness.upstream.send("a");
    const first = await harness.connect();
    const acknowledged = piece("acknowledged");
    const sent = piece("sent");
    harness.upstream.sendContent(sent, "sent");
    await turn();
    expect(first.messages).toEqual(["a", "sent"]);
    harness.owes = true;
    first.end(1006);
    await harness.fire();
    harness.upstream.sendContent(acknowledged, "acknowledged");
    harness.upstream.sendContent(piece("waiting"), "waiting");
    acknowledged.text = undefined;
    harness.unacknowledged = [sent];
    harness.replay = ["load"];
    expect((await harness.connect("boot-2")).messages).toEqual([
      catchUpMessage("begin"),
      "load",
      "sent",
      "waiting",
      catchUpMessage("end"),
    ]);
  });

  test("sends what a Sprite dropped again before the later pieces that wait", async () => {
    harness.upstream.attach();
    const socket = await harness.connect();
    const texts = Array.from({ length: 8 }, (_, n) => `${n}`.padEnd(LIMITS.spriteUnreadBytes / 4));
    const pieces = texts.map(piece);
    for (const [n, text] of texts.entries()) harness.upstream.sendContent(pieces[n] as Piece, text);
    await turn();
    const sent = socket.messages.filter((text) => /^\d /.test(text)).length;
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(8);
    harness.upstream.resend(pieces);
    await workOff(socket);
    const order = socket.messages.filter((text) => /^\d /.test(text)).map(Number);
    expect(order.slice(sent)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test("sends a Sprite that comes back only as much of what waits as it works off", async () => {
    const chars = LIMITS.spriteUnreadBytes / 4;
    for (let n = 0; n < 12; n++) {
      const text = `${n}`.padEnd(chars);
      expect(harness.upstream.sendContent(piece(text), text)).toBe(true);
    }
    const socket = await harness.connect();
    const contents = () => socket.messages.filter((text) => text.length === chars).map(Number);
    expect(contents()).toEqual([0, 1, 2, 3, 4].slice(0, contents().length));
    expect(contents().length).toBeLessThan(6);
    await workOff(socket);
    expect(contents()).toEqual(Array.from({ length: 12 }, (_, n) => n));
  });

  test("finds out that a Sprite is silent, as a paused host is, and attaches again", async () => {
    harness.upstream.attach();
    const socket = await harness.connect();
    harness.now += LIMITS.upstreamSilenceMs - 1;
    harness.upstream.tick();
    expect(harness.upstream.open).toBe(true);
    socket.receive('{"type":"ping","time":1,"dc":"x"}');
    harness.now += LIMITS.upstreamSilenceMs;
    harness.upstream.tick();
    expect([harness.lost, socket.closedWith]).toEqual([1, CLOSE.overloaded]);
    socket.receive(DONE);
    expect(harness.received).toEqual([]);
  });

  test("closes a socket that opens after the session has ended, and starts nothing more", async () => {
    harness.upstream.send("a");
    harness.upstream.close();
    const socket = await harness.connect();
    expect([socket.closedWith, socket.frames]).toEqual([1000, []]);
    socket.end(1006);
    harness.upstream.attach();
    expect([harness.dials.length, harness.timers.length]).toEqual([1, 0]);
  });

  test("stops watching and waiting when the session ends", async () => {
    harness.upstream.attach();
    (await harness.connect()).end(CLOSE.asleep);
    harness.upstream.close();
    expect(harness.watches[0]?.stopped).toBe(true);
    const other = new Harness();
    other.upstream.send("a");
    await other.fail(new SpriteSyncError("transient", "no"));
    other.upstream.close();
    expect(other.timers[0]?.cancelled).toBe(true);
  });
});
