import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium } from "playwright-core";

const USUAL_PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome-stable"];

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** @throws Error saying what to install when there is no Chromium: a browser test must not pass by being skipped. */
export function findChromium(): string {
  const path = [process.env.CHROMIUM, ...USUAL_PATHS].find((candidate) => candidate && existsSync(candidate));
  if (!path) {
    throw new Error(
      "This test drives a real browser and found none: `apt-get install chromium`, or set CHROMIUM to its path.",
    );
  }
  return path;
}

export interface BrowserProfile {
  readonly context: BrowserContext;
  /** Closes all windows and forgets the profile's storage. */
  close(): Promise<void>;
}

/** A browser with storage of its own: one person at one machine. Windows of it are its pages. */
export async function openBrowserProfile(): Promise<BrowserProfile> {
  const folder = await mkdtemp(join(tmpdir(), "sprite-sync-browser-"));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: findChromium(),
    headless: true,
    args: FLAGS,
  });
  return {
    context,
    async close() {
      await context.close();
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}
