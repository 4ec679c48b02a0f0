import { readFile, writeFile } from "node:fs/promises";
import { replaceSection } from "../../../bench/document.ts";
import { sections } from "./page.ts";

const PAGE = new URL("../../../docs/cost.md", import.meta.url);

/** `npm run cost`: reckons docs/cost.md anew from figures.ts and prices.ts. */
let page = await readFile(PAGE, "utf8");
for (const [name, body] of Object.entries(sections())) page = replaceSection(page, name, body);
await writeFile(PAGE, page);
