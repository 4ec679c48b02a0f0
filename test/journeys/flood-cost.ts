import { readFile } from "node:fs/promises";
import { startClient } from "../support/client.ts";
import { FLOODS, honestContent } from "../support/floods.ts";
import { startTestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";
import { openWire } from "../support/wire.ts";
import { workerdPid } from "../support/workerd-process.ts";

/**
 * Prints what hostile frames cost workerd in CPU time for each MB, against the same bytes of honest content, and how long an
 * honest session waited meanwhile: `node test/journeys/flood-cost.ts`.
 */
const MB = 1024 * 1024;
const TICK_MS = 10;
const PATIENCE_MS = 60_000;

const stack = await startTestStack({ sleepAfter: 0 });
const owner = await startClient(stack.syncUrl);
const map = owner.node.createGroup().createMap({ n: 0 });
await owner.synced();

async function cpuMs(): Promise<number> {
  const stat = await readFile(`/proc/${await workerdPid()}/stat`, "utf8");
  const [user = 0, system = 0] = stat.slice(stat.lastIndexOf(")")).split(" ").slice(12, 14).map(Number);
  return (user + system) * TICK_MS;
}

async function measure(name: string, frames: readonly string[]): Promise<void> {
  const attacker = await openWire(stack.syncUrl);
  const honest = await openWire(stack.syncUrl);
  const [cpu, start] = [await cpuMs(), performance.now()];
  for (const frame of frames) attacker.sendRaw(frame);
  honest.send({ action: "load", id: map.id, header: false, sessions: {} });
  const done = { timeoutMs: PATIENCE_MS, what: `an answer: ${name}` };
  const wait = await until(() => honest.received.some(({ action }) => action === "content"), done).then(
    () => performance.now() - start,
    () => Number.POSITIVE_INFINITY,
  );
  await until(() => attacker.received.some(({ type }) => type !== "ping") || attacker.closed(), done).catch(
    () => 0,
  );
  // What is still to be done for it shows in the clock of the process.
  for (let last = -1, now = await cpuMs(); now > last + TICK_MS; last = now, now = await cpuMs())
    await new Promise((next) => setTimeout(next, 500));
  const size = frames.reduce((chars, { length }) => chars + length, 0) / MB;
  const used = (await cpuMs()) - cpu;
  console.log(
    `${name.padEnd(55)} ${size.toFixed(1)} MB, ${used} ms of CPU, ${(used / size).toFixed(0)} ms/MB, honest load ${wait.toFixed(0)} ms`,
  );
  await Promise.all([attacker.close(), honest.close()]);
}

const only = process.argv[2];
await measure("warming up", [honestContent(100_000).text]);
await measure("honest content of 100 KB", Array(100).fill(honestContent(100_000).text));
await measure("honest content of 8 MB", [honestContent(8 * MB).text]);
await measure(
  "honest loads, 100 a frame",
  Array(100).fill(
    Array(100)
      .fill(JSON.stringify({ action: "load", id: map.id, header: false, sessions: {} }))
      .join("\n"),
  ),
);
for (const [name, make] of Object.entries(FLOODS))
  if (!only || name.includes(only)) await measure(name, [make()]);
await owner.close();
await stack.close();
