import { defineCommand } from "../cli/command.ts";
import { main } from "../cli/main.ts";
import { NAME, OPTIONS, toOptions } from "./options.ts";

const BENCH = defineCommand({
  name: NAME,
  about:
    "Measures the edge, sync, waking, sleep and storage, beside a plain cojson server. All takes an hour.",
  options: OPTIONS,
  async run(values) {
    const options = toOptions(values);
    const { bench } = await import("./measure.ts");
    await bench(options);
    return undefined;
  },
});

await main(BENCH);
