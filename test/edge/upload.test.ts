import { describe, expect, test } from "vitest";
import { Budget } from "../../edge/budget.ts";
import { Unacknowledged } from "../../edge/unacknowledged.ts";
import { Upload } from "../../edge/upload.ts";
import type { KnownState } from "../../shared/known-state.ts";
import { type ContentMessage, parseMessage } from "../../shared/messages.ts";

const ID = "co_zQVMHLerq9tc7NcL31jQDRTsrWU";
const AUTHORS = ["zLHntbjFbNiC", "zLHntbjFbNiD"].map((end) => `${ID}_session_${end}`);
const [AUTHOR = "", OTHER = ""] = AUTHORS;

const content = (spans: Record<string, readonly [after: number, count: number]>) =>
  parseMessage(
    JSON.stringify({
      action: "content",
      id: ID,
      priority: 0,
      new: Object.fromEntries(
        Object.entries(spans).map(([author, [after, count]]) => [
          author,
          { after, newTransactions: new Array(count).fill(0), lastSignature: "signature_z1" },
        ]),
      ),
    }),
  ) as ContentMessage;
const state = (sessions: Record<string, number>): KnownState => ({ header: true, sessions });

describe("content on its way to a home that does not acknowledge it, without room to keep it", () => {
  const nothing = () => state({});
  const uploadWithoutRoom = () => new Upload(new Unacknowledged(new Budget(0)));

  test("takes no more memory the more of it there is", () => {
    const upload = uploadWithoutRoom();
    for (let n = 0; n < 1_000; n++) upload.add(content({ [AUTHOR]: [n, 1] }), nothing);
    expect(upload.pieces.length).toBeLessThan(5);
    expect(upload.reachFrom(state({})).sessions).toEqual({ [AUTHOR]: 1_000 });
    upload.acknowledged(state({ [AUTHOR]: 999 }));
    expect(upload.pieces.length).toBeGreaterThan(0);
    upload.acknowledged(state({ [AUTHOR]: 1_000 }));
    expect(upload.isOver).toBe(true);
  });

  test("is not taken for what a home can use that lacks the beginning of any of it", () => {
    const upload = uploadWithoutRoom();
    upload.add(content({ [AUTHOR]: [2, 1] }), nothing);
    upload.add(content({ [AUTHOR]: [3, 1], [OTHER]: [5, 1] }), nothing);
    upload.add(content({ [AUTHOR]: [4, 1], [OTHER]: [6, 1] }), nothing);
    upload.add(content({ [AUTHOR]: [5, 1] }), nothing);
    expect(upload.reachFrom(state({ [AUTHOR]: 2, [OTHER]: 5 })).sessions).toEqual({
      [AUTHOR]: 6,
      [OTHER]: 7,
    });
    const useless = uploadWithoutRoom();
    useless.add(content({ [AUTHOR]: [3, 1], [OTHER]: [5, 1] }), nothing);
    useless.add(content({ [AUTHOR]: [4, 1] }), nothing);
    expect(useless.reachFrom(state({ [AUTHOR]: 3 })).sessions).toEqual({ [AUTHOR]: 3 });
    expect(useless.pieces).toEqual([]);
  });

  test("is asked for from where the last of it begins, when that could not be sent", () => {
    const upload = uploadWithoutRoom();
    for (let n = 0; n < 10; n++) upload.add(content({ [AUTHOR]: [n, 1] }), nothing);
    const last = upload.add(content({ [AUTHOR]: [10, 1] }), nothing);
    if (!last) throw new Error("not taken");
    upload.missed(last, state({ [AUTHOR]: 11 }));
    expect(upload.forwarded).toEqual(state({ [AUTHOR]: 10 }));
    upload.acknowledged(state({ [AUTHOR]: 10 }));
    expect(upload.pieces).toEqual([]);
    expect(upload.gap).toBe(true);
  });

  test("is not sent, but asked for, when there is much of it with holes in between", () => {
    const upload = uploadWithoutRoom();
    for (let n = 0; n < 5_000; n++)
      upload.add(content({ [AUTHOR]: [2 * n, 1] }), () => state({ [AUTHOR]: 1 }));
    expect(upload.pieces.length).toBeLessThan(2_000);
    expect(upload.gap).toBe(true);
    expect(upload.forwarded).toEqual(state({ [AUTHOR]: 1 }));
  });
});

describe("content that is kept", () => {
  test("behind a piece that is never acknowledged is kept until its home is asked what it has", () => {
    const budget = new Budget(1_000_000);
    const upload = new Upload(new Unacknowledged(budget));
    upload.add(content({ [OTHER]: [0, 1] }), () => state({}));
    const one = budget.used;
    for (let n = 0; n < 10; n++) upload.add(content({ [AUTHOR]: [n, 1] }), () => state({}));
    const has = state({ [AUTHOR]: 9 });
    upload.acknowledged(has);
    expect(upload.reachFrom(has).sessions).toEqual({ [AUTHOR]: 10, [OTHER]: 1 });
    expect(upload.pieces).toHaveLength(2);
    expect(budget.used).toBe(2 * one);
  });
});
