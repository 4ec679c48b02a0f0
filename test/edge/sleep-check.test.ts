import { beforeEach, describe, expect, test } from "vitest";
import { recordOf } from "../../shared/digest.ts";
import { asHome, idFromHash } from "../../shared/ids.ts";
import { RouterHarness } from "./router-harness.ts";

const id = (n: number) => idFromHash(new Uint8Array(19).fill(n));
const HOME = asHome(id(1));
const CO_SESSION = `${id(9)}_session_zLHntbjFbNiC`;
const has = (n: number, count = 3) => ({ id: id(n), header: true, sessions: { [CO_SESSION]: count } });
const load = (n: number, count = 3) => ({ action: "load", ...has(n, count) });
const content = (n: number, after: number) => ({
  action: "content",
  id: id(n),
  priority: 0,
  new: {
    [CO_SESSION]: {
      after,
      newTransactions: [{ privacy: "trusting", madeAt: 1, changes: "[]" }],
      lastSignature: "signature_z1",
    },
  },
});
const actions = (messages: readonly { action: string }[]) => messages.map(({ action }) => action);

describe("a client that comes back to a home that sleeps", () => {
  let harness: RouterHarness;
  let answers: PromiseWithResolvers<string | undefined>[];

  beforeEach(() => {
    harness = new RouterHarness();
    for (let n = 1; n < 9; n++) harness.shards.homes.set(id(n), HOME);
    harness.resting.add(HOME);
    answers = [];
    harness.answer = () => {
      answers.push(Promise.withResolvers());
      return answers.at(-1)?.promise ?? Promise.resolve(undefined);
    };
  });

  /** Lets the coordinator answer its oldest question. */
  const answer = async (boot: string | undefined) => {
    answers.shift()?.resolve(boot);
    await harness.retry();
  };

  test("is told that it has all there is, and the home is watched from the end of that period, not woken", async () => {
    let asked: readonly string[] = [];
    harness.answer = async (records) => {
      asked = records;
      return "b7";
    };
    await harness.client(load(1), load(2, 5));
    expect(asked).toEqual([recordOf(id(1), has(1)), recordOf(id(2), has(2, 5))]);
    expect(harness.take()).toMatchObject([
      { action: "known", id: id(1), state: { header: true, sessions: { [CO_SESSION]: 3 } } },
      { action: "known", id: id(2), state: { header: true, sessions: { [CO_SESSION]: 5 } } },
    ]);
    expect(harness.watched).toEqual([[HOME, "b7"]]);
    expect(harness.sprite(HOME)).toEqual([]);
    expect(harness.router.owes(HOME)).toBe(false);
    // When somebody else has woken it, it is asked like after every loss.
    expect(harness.attach(HOME)).toMatchObject([
      { action: "load", id: id(1) },
      { action: "load", id: id(2) },
    ]);
  });

  test("wakes it when one of its values is another there, or nobody knows", async () => {
    await harness.client(load(1), load(2));
    await answer(undefined);
    expect(harness.sprite(HOME)).toMatchObject([
      { action: "load", id: id(1) },
      { action: "load", id: id(2) },
    ]);
    expect(harness.sprite(HOME)[0]).toMatchObject({ text: expect.stringContaining('"reattach":true') });
    expect(harness.take()).toEqual([]);
    expect(harness.router.owes(HOME)).toBe(true);
  });

  test("wakes it at once when it has nothing of a value: that it is unchanged says nothing", async () => {
    await harness.client({ action: "load", id: id(1), header: false, sessions: {} });
    expect(harness.questions).toEqual([]);
    expect(actions(harness.sprite(HOME))).toEqual(["load"]);
  });

  test("wakes it when it sends something while the coordinator is asked; its loads go first, and are answered once", async () => {
    await harness.client(load(1), load(2));
    await harness.client(content(1, 3));
    expect(harness.sprite(HOME)).toMatchObject([
      { action: "load", id: id(1) },
      { action: "load", id: id(2) },
      { action: "content", id: id(1) },
    ]);
    await answer("b7");
    expect(harness.take()).toEqual([]);
    expect(harness.watched).toEqual([]);
  });

  test("is asked about once a turn: what it loads meanwhile is asked about with the rest, and its home rests only then", async () => {
    await harness.client(load(1), load(2));
    await harness.client(load(3));
    await harness.client(load(4));
    expect(harness.questions).toEqual([[HOME, 2]]);
    await answer("b7");
    // Of the others it has no answer: were it told to rest now, it would be owed those and wake the Sprite.
    expect(actions(harness.take())).toEqual([]);
    expect(harness.questions).toEqual([
      [HOME, 2],
      [HOME, 4],
    ]);
    await answer("b7");
    expect(actions(harness.take())).toEqual(["known", "known", "known", "known"]);
  });

  test("reaches it when that was woken by another before the coordinator answered", async () => {
    await harness.client(load(1));
    harness.resting.delete(HOME);
    await answer("b7");
    expect(actions(harness.sprite(HOME))).toEqual(["load"]);
    expect(harness.take()).toEqual([]);
  });

  test("has what it told meanwhile owed to the home: an answer about less is no acknowledgement of it", async () => {
    await harness.client(load(1));
    await harness.client({ action: "known", ...has(1, 4) });
    await answer("b7");
    expect(harness.router.owes(HOME)).toBe(true);
  });

  test("asks nobody while its upstream is there or on its way", async () => {
    harness.resting.clear();
    await harness.client(load(1));
    expect(harness.questions).toEqual([]);
    expect(actions(harness.sprite(HOME))).toEqual(["load"]);
  });
});
