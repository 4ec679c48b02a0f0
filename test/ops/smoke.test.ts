import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Report } from "../../ops/smoke/report.ts";
import { startPlainServer } from "../support/plain-server.ts";
import { startTestStack, type TestStack } from "../support/test-stack.ts";

const SMOKE = fileURLToPath(new URL("../../ops/smoke.ts", import.meta.url));
const KEY = "a-key-that-the-smoke-test-knows";

async function smoke(...args: string[]) {
  const child = spawn(process.execPath, [SMOKE, ...args]);
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  const [code] = (await once(child, "close")) as [number];
  return { code, text: Buffer.concat(chunks).toString() };
}

describe("npm run smoke", () => {
  let stack: TestStack;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "smoke-"));
    stack = await startTestStack({
      sleepAfter: 2,
      edgeVars: { CLIENT_AUTH: "key", CLIENT_KEYS: KEY },
    });
  });
  afterAll(async () => {
    await stack?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test("takes its journeys against the whole product, through a sleep, and leaves three Sprites", async () => {
    const keep = join(directory, "kept.json");
    const url = `${stack.syncUrl}?key=${KEY}`;
    const { code, text } = await smoke(url, "--sleep-after", "2", "--keep", keep, "--json");
    const report = JSON.parse(text) as Report;
    expect(report.steps.filter(({ result }) => result !== "passed")).toEqual([]);
    expect([code, report.ok, report.steps.length]).toEqual([0, true, 9]);
    expect(text).not.toContain(KEY);
    const { account = "", group = "" } = report.created;
    // They slept while its sockets were open, and woke for its edit.
    const { name } = stack.machineOf(group);
    const states = stack.lines
      .filter((line) => line.startsWith(`machine ${name} `))
      .map((line) => line.split(" ")[2]);
    expect(states.join(" ")).toMatch(/started stopped starting started$/);
    // The account's, its profile's group's, and the group's.
    expect(stack.fleet.machines()).toHaveLength(3);
    expect(stack.machineOf(account)).toBeDefined();
    // A second run makes no more of them. What it keeps holds the account's secret.
    expect((await stat(keep)).mode & 0o077).toBe(0);
    const again = await smoke(url, "--keep", keep, "--large", "1000");
    expect([again.code, again.text]).toEqual([0, expect.stringContaining("all well")]);
    expect(stack.fleet.machines()).toHaveLength(3);
    expect(JSON.parse(await readFile(keep, "utf8"))).toMatchObject({ accountID: account, groupID: group });
  }, 180_000);

  test("fails where it may not enter, says at which journey, and skips the rest", async () => {
    const { code, text } = await smoke(stack.syncUrl, "--timeout", "5");
    expect(code).toBe(1);
    expect(text).toMatch(/^FAILED {3}a socket opens and is pinged .*401/m);
    expect(text.match(/^skipped/gm)).toHaveLength(7);
  });

  test("takes them against any cojson server: what does not apply is skipped", async () => {
    const plain = await startPlainServer({ storage: "memory" });
    const { code, text } = await smoke(plain.url, "--json", "--large", "1000");
    await plain.close();
    const { steps } = JSON.parse(text) as Report;
    expect(code).toBe(0);
    expect(steps.filter(({ result }) => result === "skipped").map(({ name }) => name)).toEqual([
      "the edge says it is well",
      "after a sleep the next edit arrives",
    ]);
  });

  test.each([["https://edge.example/sync"], ["wss://edge.example/sync", "--large", "99999999"]])(
    "explains itself instead of guessing: %s %s",
    async (...args) => {
      const { code, text } = await smoke(...args);
      expect([code, text]).toEqual([2, expect.stringContaining("npm run smoke -- --help explains")]);
    },
  );
});
