import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { defineCommand, wholeNumber } from "../cli/command.ts";
import { UsageError } from "../cli/failure.ts";
import { main } from "../cli/main.ts";
import { SpriteSyncError } from "../shared/errors.ts";
import { withTimeout } from "../shared/timeout.ts";
import type { Kept, SmokeOptions, Trip } from "./smoke/journeys.ts";
import { printReport, type Report, type StepResult } from "./smoke/report.ts";

const NAME = "smoke";

/** The most that it writes into somebody's production. */
const MAX_LARGE_CHARS = 8_000_000;

/** Takes the journeys, one after the other, with real cojson clients against any endpoint. */
export async function smoke(
  options: SmokeOptions,
  timeoutMs: number,
): Promise<{ report: Report; kept?: Kept }> {
  const { JOURNEYS } = await import("./smoke/journeys.ts");
  const over = new AbortController();
  const trip: Trip = { options, clients: [], over: over.signal };
  const steps: StepResult[] = [];
  for (const [name, journey] of JOURNEYS) {
    if (steps.some(({ result }) => result === "failed")) {
      steps.push({ name, result: "skipped", ms: 0, detail: "because of the failure above" });
      continue;
    }
    const begun = performance.now();
    // Sleeping is not what may take too long.
    const limit = timeoutMs + (options.sleepAfter ?? 0) * 1_000;
    try {
      const late = new SpriteSyncError("transient", `nothing for ${limit / 1_000} s`);
      const seen = await withTimeout(journey(trip), limit, late);
      const ms = performance.now() - begun;
      steps.push(
        seen === undefined
          ? { name, result: "skipped", ms, detail: "does not apply" }
          : { name, result: "passed", ms, detail: seen },
      );
    } catch (error) {
      over.abort(new Error("it took too long"));
      const detail = error instanceof Error ? error.message : String(error);
      steps.push({ name, result: "failed", ms: performance.now() - begun, detail });
    }
  }
  await Promise.all(
    trip.clients.map((client) =>
      withTimeout(client.close(), 5_000, new Error("left open")).catch(() => undefined),
    ),
  );
  const { origin, pathname } = new URL(options.url);
  const { writer, group } = trip;
  const report: Report = {
    endpoint: `${origin}${pathname}`,
    at: new Date().toISOString(),
    ok: steps.every(({ result }) => result !== "failed"),
    steps,
    created: { ...(writer && { account: writer.identity.accountID }), ...(group && { group: group.id }) },
  };
  return { report, ...(writer && group && { kept: { ...writer.identity, groupID: group.id } }) };
}

/** `npm run smoke`. */
export const SMOKE = defineCommand({
  name: NAME,
  about:
    "Takes journeys with real clients against a deployed endpoint. Exit code 0: all passed; 1: one failed.",
  operands: [{ name: "wss://<host>/sync[?key=…]", about: "the endpoint", required: true }],
  options: {
    "sleep-after": {
      type: "string",
      value: "SECONDS",
      about: "also let its Sprites sleep, which they do after so many seconds there",
    },
    large: { type: "string", default: "500000", value: "CHARACTERS", about: "size of the large value" },
    keep: {
      type: "string",
      value: "FILE",
      about: "keep account and group in FILE and use them again: no new Sprites with each run",
    },
    timeout: { type: "string", default: "60", value: "SECONDS", about: "for each journey" },
    json: { type: "boolean", default: false, about: "print JSON" },
  },
  notes: `It makes one account and one group of its own (three Sprites under placement "root"), writes less than twice the large
value, and reads nothing else.`,
  failureCode: 2,
  async run(values, [url = ""], { print }) {
    if (!/^wss?:\/\/[^/]+\/./.test(url)) throw new UsageError(NAME, "Name one address, wss://<host>/sync");
    const sleepAfter = values["sleep-after"];
    const asked = {
      url,
      largeChars: wholeNumber(NAME, "large", values.large, { most: MAX_LARGE_CHARS }),
      sleepAfter:
        sleepAfter === undefined ? undefined : wholeNumber(NAME, "sleep-after", sleepAfter, { most: 3_600 }),
    };
    const timeoutMs = wholeNumber(NAME, "timeout", values.timeout, { most: 3_600 }) * 1_000;
    const kept =
      values.keep && existsSync(values.keep)
        ? (JSON.parse(await readFile(values.keep, "utf8")) as Kept)
        : undefined;
    const { report, kept: made } = await smoke({ ...asked, kept }, timeoutMs);
    // The account's secret: for its owner's eyes only.
    if (values.keep && made && !kept) await writeFile(values.keep, JSON.stringify(made), { mode: 0o600 });
    print(values.json ? JSON.stringify(report, null, 2) : printReport(report));
    return report.ok ? 0 : 1;
  },
});

if (import.meta.main) {
  await main(SMOKE);
  // A device that could not be closed must not hold the process.
  process.exit();
}
