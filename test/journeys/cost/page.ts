import { toMarkdown } from "../../../bench/table.ts";
import { billOf, openHour, planFor, priceOf, USES, wake } from "./arithmetic.ts";
import { EVENTS } from "./count.ts";
import { ARRIVAL, cycleOf, IDLE, PINGS_AN_HOUR } from "./figures.ts";
import { ASSUMED, PRICES } from "./prices.ts";

/** The generated parts of docs/cost.md, by the names of their places. */
export function sections(): Readonly<Record<string, string>> {
  return { counted: counted(), each: each(), fleets: fleets() };
}

function counted(): string {
  const cycle = (clients: number) => cycleOf(clients);
  return toMarkdown({
    title: "counted on the running product",
    columns: [
      "",
      "an idle hour, any number of browsers",
      "a wake-up, 2 browsers",
      "10",
      "100",
      "a page opened, at most",
    ],
    rows: [
      ...EVENTS.map((event) => [
        `${event}s`.replace("row writtens", "rows written").replace("row reads", "rows read"),
        ...[IDLE, cycle(2), cycle(10), cycle(100), ARRIVAL].map((counts) => String(counts[event])),
      ]),
      ["pings to each browser", String(PINGS_AN_HOUR), "–", "–", "–", "–"],
    ],
  });
}

function each(): string {
  const rows: [string, number][] = [
    ["a browser that is connected and silent, an hour", openHour()],
    ["the same, a month", openHour() * 730],
    ["a wake-up, 2 browsers", wake(2)],
    ["a wake-up, 100 browsers", wake(100)],
    ["a page opened", priceOf(ARRIVAL)],
    [
      "a Sprite's time awake for a wake-up, Fly Machine of 256 MB",
      (ASSUMED.awakeSeconds / (30 * 86_400)) * PRICES.machineMonth256,
    ],
    [
      "a sleeping group's disk, a month, Fly Machine",
      (ASSUMED.imageGb + ASSUMED.volumeGb) * PRICES.machineStorageGbMonth,
    ],
    ["a sleeping group's disk, a month, Fly Sprite", ASSUMED.spriteGb * PRICES.spriteStorageGbMonth],
  ];
  return toMarkdown({
    title: "what each costs",
    columns: ["", "dollars for a million"],
    rows: rows.map(([what, dollars]) => [what, money(dollars * 1e6)]),
  });
}

function fleets(): string {
  return toMarkdown({
    title: "dollars a month",
    columns: [
      "",
      "pings",
      "wake-ups at the edge",
      "pages opened",
      "on Fly Machines",
      "or on Fly Sprites",
      "running at once",
      "Sprites' plan",
    ],
    rows: USES.map((use) => {
      const bill = billOf(use);
      return [
        `${use.groups.toLocaleString("en")} groups, ${use.name}`,
        ...[bill.pings, bill.wakes, bill.arrivals, bill.machines, bill.sprites].map(money),
        Math.ceil(bill.running).toLocaleString("en"),
        planFor(bill.running),
      ];
    }),
  });
}

/** Two digits that mean something. */
function money(dollars: number): string {
  if (dollars === 0) return "0";
  const rounded = Number(dollars.toPrecision(2));
  return rounded.toLocaleString("en", { maximumFractionDigits: 4 });
}
