import { readFile } from "node:fs/promises";
import type { GroupId } from "../../shared/ids.ts";
import { PASS_HEADER, parsePassKeys, signPass } from "../../shared/pass.ts";
import { startClient } from "../../test/support/client.ts";
import { startTestStack, type TestStack } from "../../test/support/test-stack.ts";
import { interleave, type Sample, type Samples, series } from "../interleave.ts";
import { median, ratioOf } from "../statistics.ts";
import { formatMs, formatRatio, type Section, type Table } from "../table.ts";
import { content, type Exchange, known, type Messages, messagesIn, prepareMessages } from "./exchange.ts";
import { followMemory } from "./follow-memory.ts";
import { type Lane, openLane } from "./lane.ts";
import { workerdCpu } from "./workerd-cpu.ts";

const PASS_THROUGH = "pass-through Worker";
const AGAIN = "pass-through Worker, again";
const EDGE = "edge";
const DIRECT = "straight to the Sprite";
/** About what cojson-transport-ws puts into one frame: 25,000 characters of small messages. */
const SMALL_PER_FRAME = 40;

interface Scenario {
  readonly title: string;
  readonly exchange: Exchange;
  readonly pace: "oneByOne" | "allAtOnce";
}

/** What the edge adds to a message's way, against a Worker that only pipes and against no Worker at all. */
export const edgeSection: Section = {
  async run(quick, progress) {
    progress("starting the stack");
    const script = await readFile(new URL("./pass-through.js", import.meta.url), "utf8");
    // The second edge is reached at an address of its own, as the pass-through Worker is: Miniflare's entry Worker,
    // which stands before the first, would be counted as the edge's cost.
    const stack = await startTestStack({
      edges: 2,
      extraWorkers: (FLY_APP_URL) => [{ name: PASS_THROUGH, script, vars: { FLY_APP_URL } }],
    });
    const client = await startClient(stack.syncUrl);
    try {
      const { home, messages } = await prepareMessages(client);
      const lanes = await openLanes(stack, home as GroupId);
      const cpu = await workerdCpu();
      const tables: Table[] = [];
      for (const scenario of scenarios(messages, quick)) {
        progress(scenario.title);
        const contenders = lanes.map((lane) => ({
          name: lane.name,
          run: () => measure(lane, scenario, cpu),
        }));
        tables.push(tableOf(scenario, await interleave(contenders, quick ? 7 : 31)));
      }
      for (const lane of lanes) lane.close();
      progress("memory of followed values");
      return [...tables, followMemory()];
    } finally {
      await client.close();
      await stack.close();
    }
  },
};

function scenarios({ small, large, loads }: Messages, quick: boolean): readonly Scenario[] {
  const size = (full: number) => Math.ceil(full / (quick ? 4 : 1));
  const each = "pipelined, one a frame";
  return [
    { title: "content → known, one at a time", exchange: known(small, size(160)), pace: "oneByOne" },
    { title: "load → content, one at a time", exchange: content(loads, size(160)), pace: "oneByOne" },
    { title: `content → known, ${each}`, exchange: known(small, size(800)), pace: "allAtOnce" },
    {
      title: `content → known, pipelined, ${SMALL_PER_FRAME} a frame`,
      exchange: known(small, size(2_000), SMALL_PER_FRAME),
      pace: "allAtOnce",
    },
    { title: `load → content, ${each}`, exchange: content(loads, size(800)), pace: "allAtOnce" },
    { title: `content of 100 KB → known, ${each}`, exchange: known(large, size(40)), pace: "allAtOnce" },
  ];
}

/** The baseline twice: how far its two ratios differ from 1 is what this machine adds by itself. */
async function openLanes(stack: TestStack, home: GroupId): Promise<Lane[]> {
  const machine = stack.machineOf(home);
  const signed = async () => ({
    [PASS_HEADER]: await signPass({ home, session: "bench" }, parsePassKeys(stack.passKeys)),
  });
  const passThrough = async (name: string) =>
    openLane({
      name,
      throughWorkerd: true,
      url: stack.extraUrlOf(PASS_THROUGH),
      headers: { ...(await signed()), "fly-force-instance-id": machine.id },
    });
  const straight = `ws://127.0.0.1:${machine.port}/sync`;
  return [
    await passThrough(PASS_THROUGH),
    await openLane({ name: EDGE, throughWorkerd: true, url: stack.syncUrlOf(1) }),
    await openLane({ name: DIRECT, throughWorkerd: false, url: straight, headers: await signed() }),
    await passThrough(AGAIN),
  ];
}

async function measure(
  lane: Lane,
  { exchange, pace }: Scenario,
  cpu: (() => Promise<number>) | undefined,
): Promise<Sample> {
  const count = messagesIn(exchange);
  const before = (await cpu?.()) ?? 0;
  const ms = await lane[pace](exchange);
  const used = ((await cpu?.()) ?? 0) - before;
  return { ms: ms / count, cpu: used / count };
}

function tableOf({ title, exchange }: Scenario, samples: Samples): Table {
  const baseline = (metric: string) => series(samples, PASS_THROUGH, metric);
  const measured = baseline("cpu").every((used) => used > 0);
  const rows = [...samples.keys()].map((name) => {
    const [ms, cpu] = [series(samples, name, "ms"), series(samples, name, "cpu")];
    const throughWorkerd = measured && name !== DIRECT;
    return [
      name,
      formatMs(median(ms)),
      formatRatio(ratioOf(ms, baseline("ms"))),
      throughWorkerd ? formatMs(median(cpu)) : "–",
      throughWorkerd ? formatRatio(ratioOf(cpu, baseline("cpu"))) : "–",
    ];
  });
  return {
    title: `${title} (${messagesIn(exchange)} messages a round)`,
    columns: ["", "time a message", "× pass-through", "workerd's CPU a message", "× pass-through"],
    rows,
  };
}
