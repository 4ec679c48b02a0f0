import { readFile, writeFile } from "node:fs/promises";
import { replaceSection } from "../../../bench/document.ts";
import { defineCommand } from "../../../cli/command.ts";
import { main } from "../../../cli/main.ts";
import { sections } from "./page.ts";

const PAGE = new URL("../../../docs/cost.md", import.meta.url);

const COST = defineCommand({
  name: "cost",
  about: "Calculates docs/cost.md again, from the figures and prices in test/journeys/cost.",
  options: {},
  async run() {
    let page = await readFile(PAGE, "utf8");
    for (const [name, body] of Object.entries(sections())) page = replaceSection(page, name, body);
    await writeFile(PAGE, page);
    return undefined;
  },
});

await main(COST);
