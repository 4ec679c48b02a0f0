import { fileURLToPath } from "node:url";
import { processRunner } from "../../dev/fleet/index.ts";
import { startClient } from "../../test/support/client.ts";
import { startTestStack, type TestStack } from "../../test/support/test-stack.ts";
import { until } from "../../test/support/until.ts";
import { content, type Exchange, prepareMessages } from "../edge/exchange.ts";
import { openLane } from "../edge/lane.ts";
import { now, parseStep, STEPS, type Step } from "./steps.ts";

/** How the Sprite's program is started: from its sources, or bundled as in its image. */
export type Program = "sources" | "bundle";

const PROGRAMS: Readonly<Record<Program, string>> = {
  sources: fileURLToPath(new URL("../../sprite/main.ts", import.meta.url)),
  bundle: fileURLToPath(new URL("../../dist/sprite/main.js", import.meta.url)),
};

/** Milliseconds from a client's request to each step of a wake. */
export interface Wake {
  readonly spawned: number;
  readonly steps: ReadonlyMap<Step, number>;
  readonly firstByte: number;
}

/** One Sprite with one stored value, asleep whenever nobody wakes it. */
export interface Sleeper {
  wake(program: Program): Promise<Wake>;
  close(): Promise<void>;
}

export async function startSleeper(): Promise<Sleeper> {
  let program: Program = "bundle";
  let spawnedAt = 0;
  const steps = new Map<Step, number>();
  const command = () => {
    spawnedAt = now();
    return { file: process.execPath, args: [PROGRAMS[program]] };
  };
  const stack = await startTestStack({
    runner: processRunner(command, (_, line) => {
      const step = parseStep(line);
      if (step) steps.set(...step);
    }),
  });
  const request = await storeValue(stack);
  await sendToSleep(stack);
  return {
    async wake(which) {
      program = which;
      steps.clear();
      // The browser's socket is open before: what is timed begins with its message.
      const lane = await openLane({ name: "edge", throughWorkerd: true, url: stack.syncUrl });
      const asked = now();
      await lane.oneByOne(request);
      const firstByte = now() - asked;
      await until(() => steps.size === STEPS.length, { what: "the log of a Sprite's start" });
      lane.close();
      await sendToSleep(stack);
      return {
        spawned: spawnedAt - asked,
        steps: new Map([...steps].map(([step, at]) => [step, at - asked])),
        firstByte,
      };
    },
    close: () => stack.close(),
  };
}

/** Stores a value as a client that then leaves. @returns how to ask for it. */
async function storeValue(stack: TestStack): Promise<Exchange> {
  const client = await startClient(stack.syncUrl);
  const { messages } = await prepareMessages(client);
  await client.close();
  return content(messages.loads, 1);
}

/** As a Sprite that is idle ends: in order, with exit code 0. Only its own waiting for idleness is spared. */
async function sendToSleep(stack: TestStack): Promise<void> {
  for (const { id, state } of stack.fleet.machines())
    if (state === "started") stack.fleet.kill(id, "SIGTERM");
  await stack.allAsleep();
}
