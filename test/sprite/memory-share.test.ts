import fc from "fast-check";
import { expect, test } from "vitest";
import { LIMITS } from "../../shared/limits.ts";
import { type Message, parseMessage } from "../../shared/messages.ts";
import { Memory, MemoryShare } from "../../sprite/memory-share.ts";
import { until } from "../support/until.ts";
import { listen, newAccount, newGroup, startSprite } from "./support.ts";

const AUTHOR = "co_zfimDznFcSY4rbcKEP1Y5yEQ3MC";
const coSession = (number: number) => `${AUTHOR}_session_z${String(number).replaceAll("0", "A")}`;
const IDS = [
  "co_zfimDznFcSY4rbcKEP1Y5yEQ3MC",
  "co_zTCq9Mkmdg6c4ai6oGHNtrKFJb7",
  "co_zGXNHNQxzThF7o6wMf6FUPUv45K",
];

function told(action: "load" | "known", id: string, from: number, count: number): Message {
  const sessions = Object.fromEntries(
    Array.from({ length: count }, (_, index) => [coSession(from + index), 1]),
  );
  return parseMessage(JSON.stringify({ action, id, header: true, sessions }));
}

test("What all upstreams have remembered is the sum of what they said, and nothing when they are gone", () => {
  const steps = fc.array(
    fc.record({
      share: fc.nat({ max: 2 }),
      action: fc.constantFrom("load" as const, "known" as const),
      id: fc.constantFrom(...IDS),
      from: fc.nat({ max: 20 }),
      count: fc.nat({ max: 30 }),
    }),
  );
  fc.assert(
    fc.property(steps, (taken) => {
      const all = new Memory();
      const shares = [new MemoryShare(all), new MemoryShare(all), new MemoryShare(all)];
      for (const { share, action, id, from, count } of taken) {
        shares[share]?.take(told(action, id, from, count), () => undefined);
        expect(all.chars).toBeGreaterThanOrEqual(0);
      }
      for (const share of shares) share.close();
      expect(all).toMatchObject({ chars: 0, shares: 0 });
    }),
  );
});

test("An upstream that has too much remembered is refused, and others are not", () => {
  const all = new Memory();
  const greedy = new MemoryShare(all);
  const honest = new MemoryShare(all);
  let taken = 0;
  while (greedy.take(told("known", IDS[0] as string, taken * 1_000, 1_000), () => undefined)) taken++;
  expect(all.chars).toBeLessThanOrEqual(LIMITS.rememberedChars);
  expect(taken).toBeGreaterThan(10);
  expect(honest.take(told("load", IDS[1] as string, 0, 1_000), () => undefined)).toBe(true);
});

test("What is said again costs nothing", () => {
  const all = new Memory();
  const share = new MemoryShare(all);
  const message = told("known", IDS[0] as string, 0, 10);
  const { state } = message as Extract<Message, { action: "known" }>;
  share.take(message, () => undefined);
  const once = all.chars;
  for (let again = 0; again < 100; again++) share.take(message, () => state);
  expect(all.chars).toBe(once);
});

test("A Sprite refuses loads with invented coSessions past the bound, and answers another upstream", async () => {
  const account = newAccount();
  const group = newGroup(account);
  const sprite = await startSprite(group.id);
  const greedy = await listen(sprite);
  const honest = await listen(sprite);
  for (let load = 0; load < 16; load++) greedy.send(told("known", group.id, load * 10_000, 10_000).text);
  await until(() => greedy.of("error").some(({ code }) => code === "overloaded"), { what: "the refusal" });
  honest.send({ action: "load", id: group.id, header: false, sessions: {} });
  await until(() => honest.of("known").some(({ id }) => id === group.id), { what: "the honest answer" });
});
