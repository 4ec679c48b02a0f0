import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { buildDemo } from "../../demo/build.ts";
import { addItem, connectionState, itemTexts, shareLink, spriteState } from "../demo/demo-page.ts";
import { type DemoEndpoint, type DemoWorld, describeDemo } from "../demo/demo-suite.ts";
import { startTestStack, type TestStack } from "../support/test-stack.ts";

const SHOW = { timeout: 25_000 };

interface StackEndpoint extends DemoEndpoint {
  readonly stack: TestStack;
}

/** Sprites sleep after a few seconds: all the page's promises hold while they do. */
async function startEndpoint(): Promise<StackEndpoint> {
  const demoDir = await mkdtemp(join(tmpdir(), "sprite-sync-demo-"));
  await buildDemo(demoDir);
  const stack = await startTestStack({ demoDir, sleepAfter: 6 });
  return {
    stack,
    pageUrl: stack.pageUrl,
    async close() {
      await stack.close();
      await rm(demoDir, { recursive: true, force: true });
    },
  };
}

/** Keeps every state that the page shows, also those that pass in a moment, and counts its sockets. */
async function keepStates(page: Page): Promise<() => Promise<string[]>> {
  await page.evaluate(() => {
    const chip = document.querySelector<HTMLElement>("[data-testid=sprite]");
    const seen: string[] = [];
    const keep = () => {
      const state = chip?.dataset.state ?? "no chip";
      if (seen.at(-1) !== state) seen.push(state);
    };
    if (chip) new MutationObserver(keep).observe(chip, { attributes: true });
    keep();
    Object.assign(window, { seenStates: seen });
  });
  return () => page.evaluate(() => (window as unknown as { seenStates: string[] }).seenStates);
}

function sleepTests(world: () => DemoWorld<StackEndpoint>): void {
  it("shows a list's Sprite fall asleep under two open windows, and wake for the next keystroke in one of them", async () => {
    const { adas, graces, open, openNewList, endpoint } = world();
    const ada = await openNewList(adas, "Lullabies");
    const link = await shareLink(ada);
    const grace = await adaAndGrace(link);
    async function adaAndGrace(url: string): Promise<Page> {
      const page = await open(graces, url);
      await page.getByTestId("new-item").waitFor();
      return page;
    }
    let closed = 0;
    for (const page of [ada, grace]) {
      await expect.poll(() => spriteState(page), SHOW).toBe("asleep");
      page.on("websocket", () => closed++);
    }
    await endpoint.stack.allAsleep();
    expect([await connectionState(ada), await connectionState(grace)]).toEqual([
      "connected, saved",
      "connected, saved",
    ]);
    const [adasStates, gracesStates] = [await keepStates(ada), await keepStates(grace)];

    await addItem(ada, "Sandman");
    await expect.poll(() => itemTexts(grace), SHOW).toEqual(["Sandman"]);
    for (const [page, states] of [
      [ada, adasStates],
      [grace, gracesStates],
    ] as const) {
      await expect.poll(() => spriteState(page), SHOW).toBe("asleep");
      expect((await states()).slice(0, 3)).toEqual(["asleep", "waking", "awake"]);
    }
    // Nobody had to connect again.
    expect(closed).toBe(0);
    await Promise.all([ada.close(), grace.close()]);
  });
}

describeDemo("the whole stack", startEndpoint, { more: sleepTests });
