import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { asHome } from "../../shared/ids.ts";
import { interleave, type Sample, type Samples } from "../interleave.ts";
import { answerToHealth, answerToLoad, type StoredSprite } from "../wake/cold-start.ts";
import { emptyNode, NODE } from "../wake/empty-node.ts";
import type { FilledStore } from "./filled-store.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BUNDLE = fileURLToPath(new URL("../../dist/sprite/main.js", import.meta.url));

export const SPRITE = "Sprite";

/**
 * How long a Sprite's process takes to answer, without an edge, from its spawning: `listening` (its health), `hello` (who
 * it is), `firstByte` (of a value), in ms; and an empty Node beside it.
 */
export async function firstByte(store: FilledStore, rounds: number): Promise<Samples> {
  // What is measured is what an image has.
  await promisify(execFile)(process.execPath, ["sprite/build.ts"], { cwd: ROOT });
  const { group, maps } = store.content;
  const [value = group] = maps;
  return store.withCopy((data) => {
    const sprite: StoredSprite = {
      home: asHome(group as StoredSprite["home"]),
      passKeys: randomBytes(32).toString("hex"),
      data,
      load: JSON.stringify({ action: "load", id: value, header: false, sessions: {} }),
      answer: `{"action":"content","id":"${value}"`,
    };
    const contenders = [
      { name: NODE, run: emptyNode },
      { name: SPRITE, run: () => coldStarts(sprite) },
    ];
    return interleave(contenders, rounds);
  });
}

/** One start is asked for its health and another one for a value: the first answer of an HTTP server takes its time, too. */
async function coldStarts(sprite: StoredSprite): Promise<Sample> {
  const listening = await answerToHealth([BUNDLE], sprite);
  return { listening, ...(await answerToLoad([BUNDLE], sprite)) };
}
