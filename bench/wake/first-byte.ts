import { fileURLToPath } from "node:url";
import { interleave, type Sample, series } from "../interleave.ts";
import { median, ratioOf } from "../statistics.ts";
import { formatMs, formatRatio, type Table } from "../table.ts";
import { answerToHealth, answerToLoad } from "./cold-start.ts";
import { emptyNode, NODE } from "./empty-node.ts";
import { makeStoredSprite, type StoredSprite } from "./stored-sprite.ts";

const BUNDLE = fileURLToPath(new URL("../../dist/sprite/main.js", import.meta.url));

/** How many CoValues are stored: opening must not depend on it. */
const SIZES = [1_000, 10_000, 100_000];

/** What it takes until a Sprite's process answers, without an edge; the bundle must have been made. */
export async function measureFirstByte(
  quick: boolean,
  progress: (what: string) => void,
): Promise<readonly Table[]> {
  const sprites: StoredSprite[] = [];
  try {
    for (const covalues of quick ? SIZES.slice(0, 2) : SIZES) {
      progress(`storing ${covalues} CoValues`);
      sprites.push(await makeStoredSprite(covalues));
    }
    const rounds = quick ? 6 : 30;
    progress(`${rounds} cold starts of each store`);
    const contenders = sprites.map((stored) => ({ name: nameOf(stored), run: () => coldStarts(stored) }));
    const samples = await interleave([{ name: NODE, run: emptyNode }, ...contenders], rounds);
    const node = series(samples, NODE, "ms");
    const rows = sprites.map((stored) => {
      const name = nameOf(stored);
      const times = (metric: string) => formatMs(median(series(samples, name, metric)));
      const ratio = formatRatio(ratioOf(series(samples, name, "firstByte"), node));
      return [name, times("listening"), times("hello"), times("firstByte"), ratio];
    });
    const title = `process spawned → its first answers, median of ${rounds} starts; ${NODE} takes ${formatMs(median(node))}`;
    return [{ title, columns: ["stored", "/healthz", "hello", "first byte of a value", `× ${NODE}`], rows }];
  } finally {
    await Promise.all(sprites.map((stored) => stored.remove()));
  }
}

function nameOf({ covalues }: StoredSprite): string {
  return `${covalues.toLocaleString("en")} CoValues`;
}

/** One start is asked for its health and another one for a value: the first answer of an HTTP server takes its time, too. */
async function coldStarts(stored: StoredSprite): Promise<Sample> {
  const listening = await answerToHealth([BUNDLE], stored);
  return { listening, ...(await answerToLoad([BUNDLE], stored)) };
}
