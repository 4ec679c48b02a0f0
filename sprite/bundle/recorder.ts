import { renameSync, writeFileSync } from "node:fs";
import { compiledFileOf, runBundle } from "./code-cache.ts";

/** `node recorder.ts <bundle>`: runs a bundle, and keeps the compiled code of the functions that it has called when it ends. */
const [, , bundle = ""] = process.argv;
const script = runBundle(bundle);
process.once("exit", () => {
  const file = compiledFileOf(bundle);
  // All of it or nothing: a Sprite may start meanwhile.
  writeFileSync(`${file}.${process.pid}`, script.createCachedData());
  renameSync(`${file}.${process.pid}`, file);
});
