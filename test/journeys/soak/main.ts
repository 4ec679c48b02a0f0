import { fileURLToPath } from "node:url";
import { defineCommand, wholeNumber } from "../../../cli/command.ts";
import { UsageError } from "../../../cli/failure.ts";
import { main } from "../../../cli/main.ts";

const NAME = "soak";

const SOAK = defineCommand({
  name: NAME,
  about: "Everything that can go wrong, with real parts, for a while: writers, kills, lost disks, restarts.",
  options: {
    minutes: { type: "string", default: "20", value: "N", about: "how long it goes on" },
    seed: {
      type: "string",
      default: String(Date.now() % 2 ** 31),
      value: "N",
      about: "of what happens when (default: of the time)",
    },
    verbose: { type: "boolean", default: false, about: "tells all that happens" },
  },
  async run(values) {
    const minutes = Number(values.minutes);
    if (!(minutes > 0 && Number.isFinite(minutes)))
      throw new UsageError(NAME, `--minutes takes a positive number, not '${values.minutes}'`);
    const seed = wholeNumber(NAME, "seed", values.seed);
    const [{ buildSprite }, { soak }] = await Promise.all([
      import("../../../sprite/build.ts"),
      import("./soak.ts"),
    ]);
    const bundle = fileURLToPath(new URL("../../../dist/soak-sprite", import.meta.url));
    await buildSprite(bundle);
    console.log(`seed ${seed}, ${minutes} minutes`);
    const say = values.verbose ? { say: (line: string) => console.log(line) } : {};
    const progress = (line: string) => console.log(line);
    console.log(await soak({ seed, minutes, spriteEntry: `${bundle}/main.js`, progress, ...say }));
    return undefined;
  },
});

await main(SOAK);
