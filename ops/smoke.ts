import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { SpriteSyncError, toSpriteSyncError } from "../shared/errors.ts";
import { withTimeout } from "../shared/timeout.ts";
import { JOURNEYS, type Kept, type SmokeOptions, type Trip } from "./smoke/journeys.ts";
import { printReport, type Report, type StepResult } from "./smoke/report.ts";

export const SMOKE_USAGE = `npm run smoke -- wss://<host>/sync[?key=…] [options]      exit code 0: all journeys passed
  --sleep-after SECONDS  also let its Sprites sleep, which they do after so many seconds there
  --large CHARACTERS     size of the large value (default 500000)
  --keep FILE            keep account and group in FILE and use them again: no new Sprites with each run
  --timeout SECONDS      for each journey (default 60)
  --json                 print JSON

It makes one account and one group of its own (three Sprites under placement "root"), writes less than twice the large value, and reads nothing else.`;

/** The most that it writes into somebody's production. */
const MAX_LARGE_CHARS = 8_000_000;

/** Takes the journeys, one after the other, with real cojson clients against any endpoint. */
export async function smoke(
  options: SmokeOptions,
  timeoutMs: number,
): Promise<{ report: Report; kept?: Kept }> {
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

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      "sleep-after": { type: "string" },
      large: { type: "string", default: "500000" },
      keep: { type: "string" },
      timeout: { type: "string", default: "60" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(SMOKE_USAGE);
    return 0;
  }
  const [url, ...rest] = positionals;
  if (!url || rest.length > 0 || !/^wss?:\/\/[^/]+\/./.test(url)) {
    throw new SpriteSyncError("config-invalid", "name one address, wss://<host>/sync");
  }
  const kept =
    values.keep && existsSync(values.keep)
      ? (JSON.parse(await readFile(values.keep, "utf8")) as Kept)
      : undefined;
  const sleepAfter = values["sleep-after"];
  const options = {
    url,
    largeChars: wholeNumber("--large", values.large, MAX_LARGE_CHARS),
    sleepAfter: sleepAfter === undefined ? undefined : wholeNumber("--sleep-after", sleepAfter, 3_600),
    kept,
  };
  const timeoutMs = wholeNumber("--timeout", values.timeout, 3_600) * 1_000;
  const { report, kept: made } = await smoke(options, timeoutMs);
  // The account's secret: for its owner's eyes only.
  if (values.keep && made && !kept) await writeFile(values.keep, JSON.stringify(made), { mode: 0o600 });
  console.log(values.json ? JSON.stringify(report, null, 2) : printReport(report));
  return report.ok ? 0 : 1;
}

function wholeNumber(option: string, text: string, most: number): number {
  if (/^\d{1,9}$/.test(text) && Number(text) <= most) return Number(text);
  throw new SpriteSyncError("config-invalid", `${option} takes a whole number, ${most} at most`);
}

if (import.meta.main) {
  main(process.argv.slice(2)).then(
    // A device that could not be closed must not hold the process.
    (code) => process.exit(code),
    (error: unknown) => {
      console.error(`${toSpriteSyncError(error, "config-invalid").message}\n\n${SMOKE_USAGE}`);
      process.exit(2);
    },
  );
}
