import { describe, expect, test } from "vitest";
import { Budget } from "../../edge/budget.ts";
import { Follow } from "../../edge/follow.ts";
import { HomeFollows } from "../../edge/home-follows.ts";
import { asHome, type CoValueId } from "../../shared/ids.ts";
import { LIMITS } from "../../shared/limits.ts";
import type { ContentMessage, KnownMessage, LoadMessage } from "../../shared/messages.ts";
import { parseMessage } from "../../shared/messages.ts";
import { newRemembered } from "../support/remembered.ts";

// Found by the simulation (test/edge/simulation); here without all that was around them.

const ID = "co_zQVMHLerq9tc7NcL31jQDRTsrWU" as CoValueId;
const AUTHOR = `${ID}_session_zLHntbjFbNiC`;
const state = (count: number) => ({ header: count > 0, sessions: count > 0 ? { [AUTHOR]: count } : {} });
const message = (value: object) => parseMessage(JSON.stringify({ id: ID, ...value }));
const load = (count: number) => message({ action: "load", ...state(count) }) as LoadMessage;
const known = (count: number, isCorrection = false) =>
  message({ action: "known", ...state(count), ...(isCorrection && { isCorrection }) }) as KnownMessage;
const content = (after: number, count: number) =>
  message({
    action: "content",
    priority: 0,
    new: {
      [AUTHOR]: { after, newTransactions: new Array(count).fill(0), lastSignature: "signature_z1" },
    },
  }) as ContentMessage;

function following(count: number): Follow {
  const follow = new Follow(
    ID,
    new HomeFollows(asHome(ID), new Budget(LIMITS.unacknowledgedBytes), newRemembered()),
  );
  follow.clientLoads(load(count));
  return follow;
}

describe("a followed value", () => {
  test("is asked of a client that has connected anew, if its home has lost what it had acknowledged", () => {
    const follow = following(4);
    expect(follow.homeKnows(known(0))).toBe(true);
    // Exactly once: the second answer to the same load is behind as well.
    expect(follow.homeKnows(known(0))).toBe(false);
  });

  test("is not asked for because of content that followed the load", () => {
    const follow = following(4);
    follow.clientSends(content(4, 1));
    expect(follow.homeKnows(known(4))).toBe(false);
    expect(follow.settled).toBe(false);
    follow.homeKnows(known(5));
    expect(follow.settled).toBe(true);
  });

  test("is not owed while the client has not sent what it was asked for: it may have unloaded it", () => {
    const follow = following(4);
    follow.homeKnows(known(1));
    expect(follow.settled).toBe(true);
    follow.clientSends(content(1, 3));
    expect(follow.settled).toBe(false);
    follow.homeKnows(known(4));
    expect(follow.settled).toBe(true);
    expect(follow.state).toEqual(state(4));
  });

  test("is not owed after a correction of the home's own, either", () => {
    const follow = following(4);
    follow.homeKnows(known(4));
    follow.clientSends(content(4, 1));
    follow.homeCorrects(known(0, true));
    expect(follow.settled).toBe(true);
    follow.clientSends(content(0, 5));
    expect(follow.settled).toBe(false);
  });

  test("is owed when a known of the client has overtaken its content and the upstream goes before that", () => {
    const follow = following(4);
    follow.homeKnows(known(4));
    follow.clientKnows(known(5));
    follow.clientSends(content(4, 1));
    follow.homeKnows(known(4));
    expect(follow.settled).toBe(false);
  });
});
