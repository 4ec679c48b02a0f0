import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildSprite } from "../../../sprite/build.ts";
import { soak } from "./soak.ts";

/** `npm run soak -- [--minutes 20] [--seed N] [--verbose]` */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "20" },
      seed: { type: "string", default: String(Date.now() % 2 ** 31) },
      verbose: { type: "boolean", default: false },
    },
  });
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
  if (!(minutes > 0) || !Number.isSafeInteger(seed))
    throw new Error("--minutes is a positive number and --seed a whole one");
  const bundle = fileURLToPath(new URL("../../../dist/soak-sprite", import.meta.url));
  await buildSprite(bundle);
  console.log(`seed ${seed}, ${minutes} minutes`);
  const say = values.verbose ? { say: (line: string) => console.log(line) } : {};
  const progress = (line: string) => console.log(line);
  console.log(await soak({ seed, minutes, spriteEntry: `${bundle}/main.js`, progress, ...say }));
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});
