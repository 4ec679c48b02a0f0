import { startTestStack } from "../../test/support/test-stack.ts";
import { interleave, type Samples, series } from "../interleave.ts";
import { median, ratioOf } from "../statistics.ts";
import { formatMs, formatRatio, type Section } from "../table.ts";
import { startPlainProcess, startSingleProcess } from "./server-process.ts";
import { type SyncSizes, World } from "./world.ts";

const FULL: SyncSizes = {
  burst: 1_000,
  stream: 500,
  single: 100,
  fanOut: 50,
  readers: 10,
  created: 200,
  values: 1_000,
};
const QUICK: SyncSizes = {
  ...FULL,
  burst: 500,
  stream: 100,
  single: 25,
  fanOut: 10,
  created: 50,
  values: 200,
};

const STACK = "edge and Sprite";
const SINGLE = "Sprite without edge";
const PLAIN = "plain server";
const PLAIN_AGAIN = "plain server, again";

type Work = "burst" | "stream" | "single" | "fanOut" | "create" | "load";

interface Row {
  readonly title: string;
  readonly work: Work;
  readonly metric: string;
}

/** The whole stack against the server that everybody else runs, with real clients. */
export const syncSection: Section = {
  async run(quick, progress) {
    const sizes = quick ? QUICK : FULL;
    progress("starting the servers");
    const stack = await startTestStack({ durability: "flush" });
    const plain = await startPlainProcess();
    const single = await startSingleProcess();
    const worlds: World[] = [];
    try {
      for (const [name, url] of [
        [PLAIN, plain.url],
        [STACK, stack.syncUrl],
        [SINGLE, single.url],
        [PLAIN_AGAIN, plain.url],
      ] as const) {
        progress(`filling: ${name}`);
        worlds.push(await World.open(name, url, sizes));
      }
      const measured = new Map<Work, Samples>();
      for (const work of ["single", "fanOut", "stream", "burst", "create", "load"] as const) {
        progress(work);
        const contenders = worlds.map((world) => ({ name: world.name, run: () => world[work]() }));
        measured.set(work, await interleave(contenders, quick ? 3 : 7));
      }
      const title =
        "whole stack and plain cojson server, real clients; stack and Sprite acknowledge what is written (flush), the plain server (SQLite, synchronous NORMAL) before it writes";
      const columns = ["", PLAIN, STACK, "× plain", `${SINGLE}, × plain`, "plain again, × plain"];
      return [{ title, columns, rows: rows(sizes).map((row) => cellsOf(row, measured)) }];
    } finally {
      for (const world of worlds) await world.close();
      await plain.close();
      await single.close();
      await stack.close();
    }
  },
};

function rows(sizes: SyncSizes): readonly Row[] {
  const fan = `one writer → ${sizes.readers} readers`;
  return [
    { title: "one transaction → acknowledged, p50", work: "single", metric: "p50" },
    { title: "one transaction → acknowledged, p95", work: "single", metric: "p95" },
    { title: `${fan}: seen by a reader, p50`, work: "fanOut", metric: "p50" },
    { title: `${fan}: seen by a reader, p95`, work: "fanOut", metric: "p95" },
    { title: `${fan}: seen by the last, p50`, work: "fanOut", metric: "last" },
    { title: `${sizes.stream} transactions in a stream, each`, work: "stream", metric: "ms" },
    { title: `${sizes.burst} transactions at once, each`, work: "burst", metric: "ms" },
    { title: `${sizes.created} new values in a group, each`, work: "create", metric: "ms" },
    { title: `loading ${sizes.values} values of a group`, work: "load", metric: "ms" },
  ];
}

function cellsOf({ title, work, metric }: Row, measured: ReadonlyMap<Work, Samples>): string[] {
  const of = (name: string) => series(measured.get(work) ?? new Map(), name, metric);
  const plain = of(PLAIN);
  return [
    title,
    formatMs(median(plain)),
    formatMs(median(of(STACK))),
    formatRatio(ratioOf(of(STACK), plain)),
    formatRatio(ratioOf(of(SINGLE), plain)),
    formatRatio(ratioOf(of(PLAIN_AGAIN), plain)),
  ];
}
