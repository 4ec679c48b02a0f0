import { readFile } from "node:fs/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { replaceSection } from "../../../bench/document.ts";
import { type Counted, type Counts, countCosts, EVENTS, SIZES } from "./count.ts";
import { ARRIVAL, cycleOf, IDLE, MAY_REPEAT } from "./figures.ts";
import { sections } from "./page.ts";

describe("what docs/cost.md reckons with", () => {
  let counted: Counted;

  beforeAll(async () => {
    counted = await countCosts();
  }, 240_000);

  test("an idle group with browsers attached: nothing at all happens that is billed, and no Sprite runs", () => {
    expect(counted.idle).toEqual(IDLE);
  });

  test.each(SIZES)(
    "a wake-up with %i clients: each dials and watches once, one reports, KV is not written",
    (clients) => {
      const [cycle, figures] = [counted.cycles.get(clients), cycleOf(clients)];
      const exact = (counts: Counts | undefined) =>
        EVENTS.filter((event) => !MAY_REPEAT.includes(event)).map((event) => [event, counts?.[event]]);
      expect(exact(cycle)).toEqual(exact(figures));
      for (const event of MAY_REPEAT) {
        expect(cycle?.[event], event).toBeGreaterThanOrEqual(figures[event]);
        // Were each session to report, this would be twice as much.
        expect(cycle?.[event], event).toBeLessThan(figures[event] * 1.5);
      }
    },
  );

  test("a page that is opened: no more than reckoned", () => {
    expect(counted.arrival["worker request"]).toBe(1);
    for (const event of EVENTS) expect(counted.arrival[event], event).toBeLessThanOrEqual(ARRIVAL[event]);
  });
});

test("docs/cost.md shows what `npm run cost` reckons", async () => {
  const page = await readFile(new URL("../../../docs/cost.md", import.meta.url), "utf8");
  let reckoned = page;
  for (const [name, body] of Object.entries(sections())) reckoned = replaceSection(reckoned, name, body);
  expect(page).toBe(reckoned);
});
