import { existsSync } from "node:fs";
import { type Browser, type BrowserContext, chromium } from "playwright-core";

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

/** One process for all profiles of a test file: starting one takes as long as a test. */
let browser: Promise<Browser> | undefined;
let profiles = 0;

/** A browser with storage of its own: one person at one machine. Windows of it are its pages. */
export async function openBrowserProfile(): Promise<BrowserProfile> {
  profiles++;
  browser ??= chromium.launch({ executablePath: findChromium(), headless: true, args: FLAGS });
  const running = await browser;
  const context = await running.newContext();
  return {
    context,
    async close() {
      await context.close();
      if (--profiles > 0) return;
      browser = undefined;
      await running.close();
    },
  };
}
