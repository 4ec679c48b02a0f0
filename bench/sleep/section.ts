import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startTestStack, type TestStack } from "../../test/support/test-stack.ts";
import { type Contender, interleave, type Sample, type Samples, series } from "../interleave.ts";
import { median, percentile, ratioOf } from "../statistics.ts";
import { startPlainProcess } from "../sync/server-process.ts";
import { formatMs, formatRatio, type Section, type Table } from "../table.ts";
import { Audience } from "./audience.ts";
import { silentSockets } from "./silent-sockets.ts";

const PLAIN = "plain server";
const PLAIN_AGAIN = "plain server, again";
const AWAKE = "Sprite awake";
const ASLEEP = "Sprite asleep";
/** Clients beside the writer in the second table. */
const MANY = 20;
/** Short, so that a round does not take long; the time that a Sprite waits before it sleeps is in no figure. */
const SLEEP_AFTER_S = 1;

/** What a browser waits for another one's keystroke, when their group slept. */
export const sleepSection: Section = {
  async run(quick, progress) {
    progress("bundling the Sprite");
    const spriteEntry = await bundle();
    progress("silent sockets");
    // First: whose CPU is read is told by there being one workerd.
    const silent = await silentSockets(quick);
    progress("starting the servers");
    const stack = await startTestStack({ sleepAfter: SLEEP_AFTER_S, spriteEntry });
    const plain = await startPlainProcess();
    const audiences: Audience[] = [];
    const open = async (url: string, readers: number) => {
      const audience = await Audience.open(url, readers);
      audiences.push(audience);
      return audience;
    };
    try {
      const tables: Table[] = [];
      for (const readers of [1, MANY]) {
        const rounds = quick ? 5 : readers === 1 ? 25 : 15;
        progress(`${rounds} writes of each kind, ${readers === 1 ? "two clients" : `${MANY + 1} clients`}`);
        const contenders = await contendersOf(stack, plain.url, (url) => open(url, readers));
        const samples = await interleave(contenders, rounds);
        tables.push(tableOf(samples, readers, rounds));
      }
      const closures = audiences.reduce((sum, audience) => sum + audience.closures, 0);
      if (closures > 0) throw new Error(`${closures} sockets of clients were closed`);
      return silent ? [...tables, silent] : tables;
    } finally {
      for (const audience of audiences) await audience.close();
      await plain.close();
      await stack.close();
    }
  },
};

/** @returns the program that is run in production. */
async function bundle(): Promise<string> {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  await promisify(execFile)(process.execPath, ["sprite/build.ts"], { cwd: root });
  return `${root}dist/sprite/main.js`;
}

async function contendersOf(
  stack: TestStack,
  plainUrl: string,
  open: (url: string) => Promise<Audience>,
): Promise<Contender[]> {
  const [plain, again] = [await open(plainUrl), await open(plainUrl)];
  const [awake, asleep] = [await open(stack.syncUrl), await open(stack.syncUrl)];
  return [
    { name: PLAIN, run: () => warmPost(plain) },
    {
      name: AWAKE,
      run: async () => {
        const sample = await warmPost(awake);
        if (stack.machineOf(awake.groupId).state !== "started") throw new Error("the awake Sprite slept");
        return sample;
      },
    },
    {
      name: ASLEEP,
      run: async () => {
        await stack.asleep(asleep.groupId);
        return asleep.post();
      },
    },
    { name: PLAIN_AGAIN, run: () => warmPost(again) },
  ];
}

/** One write to wake whatever sleeps, and the next one measured. */
async function warmPost(audience: Audience): Promise<Sample> {
  await audience.post();
  return audience.post();
}

function tableOf(samples: Samples, readers: number, rounds: number): Table {
  const metric = readers === 1 ? "first" : "last";
  const baseline = series(samples, PLAIN, metric);
  const rows = [...samples.keys()].map((name) => {
    const times = series(samples, name, metric);
    return [
      name,
      formatMs(median(times)),
      formatMs(percentile(times, 0.95)),
      formatRatio(ratioOf(times, baseline)),
      formatRatio(ratioOf(times, series(samples, AWAKE, metric))),
    ];
  });
  const end = readers === 1 ? "the other client has it" : `the last of ${readers} other clients has it`;
  return {
    title: `a write → ${end} (${rounds} writes)`,
    columns: ["", "p50", "p95", "× plain", "× awake"],
    rows,
  };
}
