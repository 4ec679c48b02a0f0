import { startTestStack, type TestStack } from "../../test/support/test-stack.ts";
import { type Contender, interleave, type Samples, series } from "../interleave.ts";
import { median, ratioOf } from "../statistics.ts";
import { startPlainProcess } from "../sync/server-process.ts";
import { formatMs, formatRatio, type Section } from "../table.ts";
import { type Target, Uploader } from "./uploader.ts";

const PLAIN = "plain server";
const TARGETS: readonly Target[] = ["new group", "awake group", "sleeping group"];

/** A file of 10 MB that was made offline: what is sent of it, and how long it takes until it is acknowledged. */
export const uploadSection: Section = {
  async run(quick, progress) {
    progress("starting the servers");
    const stack = await startTestStack();
    const plain = await startPlainProcess();
    const uploaders: Uploader[] = [];
    const open = async (url: string) => {
      const uploader = await Uploader.open(url);
      uploaders.push(uploader);
      return uploader;
    };
    try {
      const contenders = await contendersOf(stack, plain.url, open);
      progress(`${contenders.length} uploads a round`);
      const samples = await interleave(contenders, quick ? 2 : 7);
      const asked = Math.max(...uploaders.map(({ corrections }) => corrections));
      const columns = ["", "bytes sent", "× plain", "time", "× plain"];
      return [
        {
          title: `a file of 10 MB, made offline → acknowledged; a value was asked for again at most ${asked} times`,
          columns,
          rows: [PLAIN, ...TARGETS].map((name) => row(name, samples)),
        },
      ];
    } finally {
      for (const uploader of uploaders) await uploader.close();
      await plain.close();
      await stack.close();
    }
  },
};

async function contendersOf(
  stack: TestStack,
  plainUrl: string,
  open: (url: string) => Promise<Uploader>,
): Promise<Contender[]> {
  const plain = await open(plainUrl);
  const sleep = async (home: string) => {
    stack.fleet.kill(stack.machineOf(home).id, "SIGTERM");
    await stack.asleep(home);
  };
  const contenders: Contender[] = [{ name: PLAIN, run: () => plain.upload("new group") }];
  for (const target of TARGETS) {
    const uploader = await open(stack.syncUrl);
    if (target !== "new group") await uploader.upload("awake group");
    const prepare = target === "sleeping group" ? () => sleep(uploader.groupId) : undefined;
    contenders.push({ name: target, run: () => uploader.upload(target, prepare) });
  }
  return contenders;
}

function row(name: string, samples: Samples): string[] {
  const mb = series(samples, name, "mb");
  const ms = series(samples, name, "ms");
  return [
    name === PLAIN ? PLAIN : `edge and Sprite, ${name}`,
    `${median(mb).toFixed(1)} MB`,
    formatRatio(ratioOf(mb, series(samples, PLAIN, "mb"))),
    formatMs(median(ms)),
    formatRatio(ratioOf(ms, series(samples, PLAIN, "ms"))),
  ];
}
