import { join } from "node:path";
import { run, SINGLE } from "../sprite/own-process.ts";
import { temporaryDirectory } from "../sprite/support.ts";
import { until } from "./until.ts";

/** `npm run single` as a process of its own, on an empty store; it ends with the test. */
export async function startSingle(): Promise<{ readonly url: string; readonly lines: readonly string[] }> {
  const { lines } = run(SINGLE, ["--port", "0", "--data", join(temporaryDirectory(), "store")], {});
  const ready = await until(() => lines.find((line) => line.startsWith("ready ")), { what: "the server" });
  return { url: ready.slice("ready ".length), lines };
}
