import { fileURLToPath } from "node:url";
import { buildSprite } from "../../sprite/build.ts";

const OUTDIR = fileURLToPath(new URL("../../dist/test-sprite", import.meta.url));

/** The bundled Sprite that the tests' stacks run: what the image runs, and three times faster to start than the sources. */
export const SPRITE_BUNDLE = `${OUTDIR}/main.js`;

/** vitest's global set-up: once before all tests. What another run of them may be using stays there. */
export async function setup(): Promise<void> {
  await buildSprite(OUTDIR);
}
