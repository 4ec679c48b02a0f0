import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BrowserProfile, openBrowserProfile } from "../support/chromium.ts";
import { startCuttableProxy } from "../support/cuttable-proxy.ts";
import {
  addItem,
  connectionState,
  createList,
  focused,
  itemRow,
  itemTexts,
  people,
  problemKind,
  renameItem,
  shareLink,
  signUp,
} from "./demo-page.ts";

/** Something that serves the built demo page and syncs at `/sync` on the same origin. */
export interface DemoEndpoint {
  /** Where the page is, ending in `/`, on 127.0.0.1. */
  readonly pageUrl: string;
  close(): Promise<void>;
}

const TEST_TIMEOUT_MS = 60_000;
/** In which a list that nobody has is said to be missing. */
const NOT_FOUND_MS = 3_000;
/** For one thing to show on a page; generous, because it may have to wake something. */
const SHOW = { timeout: 20_000 };

/** What Ada and Grace can do in further tests on the same endpoint. */
export interface DemoWorld<E extends DemoEndpoint = DemoEndpoint> {
  readonly endpoint: E;
  readonly adas: BrowserProfile;
  readonly graces: BrowserProfile;
  open(person: BrowserProfile, url?: string): Promise<Page>;
  openNewList(person: BrowserProfile, title: string): Promise<Page>;
}

export interface DemoOptions<E extends DemoEndpoint> {
  /** Only what depends on the server: what the page does by itself is the same everywhere. */
  readonly briefly?: boolean;
  /** Further tests, which this endpoint alone passes. */
  readonly more?: (world: () => DemoWorld<E>) => void;
}

/** The demo page's promises, on any endpoint. Ada and Grace are two people in two browsers. */
export function describeDemo<E extends DemoEndpoint>(
  endpointName: string,
  startEndpoint: () => Promise<E>,
  { briefly = false, more }: DemoOptions<E> = {},
): void {
  const atLength = (title: string, promise: () => Promise<void>) => {
    if (!briefly) it(title, promise);
  };
  describe(`the demo page on ${endpointName}`, { timeout: TEST_TIMEOUT_MS }, () => {
    let endpoint: E;
    let adas: BrowserProfile;
    let graces: BrowserProfile;
    const traffic: Traffic = { requests: 0, complaints: [] };

    beforeAll(async () => {
      endpoint = await startEndpoint();
      [adas, graces] = await Promise.all([openBrowserProfile(), openBrowserProfile()]);
      for (const { context } of [adas, graces]) {
        context.setDefaultTimeout(SHOW.timeout);
        watchTraffic(context, endpoint.pageUrl, traffic);
      }
      for (const [person, name] of [
        [adas, "Ada"],
        [graces, "Grace"],
      ] as const) {
        const page = await open(person);
        await signUp(page, name);
        await page.close();
      }
    }, TEST_TIMEOUT_MS);

    afterAll(async () => {
      await Promise.all([adas?.close(), graces?.close()]);
      await endpoint?.close();
    }, TEST_TIMEOUT_MS);

    /** Somebody who has never been here, in a third browser. */
    async function withNewcomer(visit: (newcomer: BrowserProfile) => Promise<void>): Promise<void> {
      const newcomer = await openBrowserProfile();
      newcomer.context.setDefaultTimeout(SHOW.timeout);
      try {
        await visit(newcomer);
      } finally {
        await newcomer.close();
      }
    }

    async function open(person: BrowserProfile, url = endpoint.pageUrl): Promise<Page> {
      const page = await person.context.newPage();
      await page.goto(url);
      return page;
    }

    async function openNewList(person: BrowserProfile, title: string): Promise<Page> {
      const page = await open(person);
      await createList(page, title);
      return page;
    }

    atLength(
      "makes an account from a name, with the keyboard alone, and keeps it over a reload",
      async () => {
        await withNewcomer(async (newcomer) => {
          const page = await open(newcomer);
          await page.getByTestId("welcome-name").waitFor();
          await page.keyboard.type("Niels");
          await page.keyboard.press("Enter");
          await page.getByTestId("no-lists").waitFor();

          await expect.poll(() => focused(page), SHOW).toBe("new-list-title");
          await page.keyboard.type("Groceries");
          await page.keyboard.press("Enter");
          await expect.poll(() => focused(page), SHOW).toBe("new-item");
          for (const text of ["Milk", "Eggs"]) {
            await page.keyboard.type(text);
            await page.keyboard.press("Enter");
          }
          await expect.poll(() => itemTexts(page), SHOW).toEqual(["Milk", "Eggs"]);
          await page.getByTestId("item-delete").first().focus();
          await page.keyboard.press("Enter");
          await expect.poll(() => itemTexts(page), SHOW).toEqual(["Eggs"]);
          expect(await focused(page)).toBe("item-delete");
          await expect.poll(() => connectionState(page), SHOW).toBe("connected, saved");

          await page.reload();
          await expect.poll(() => page.getByTestId("list-title").inputValue(), SHOW).toBe("Groceries");
          expect(await page.getByTestId("my-name").textContent()).toBe("Niels");
          await page.getByTestId("back").click();
          await expect
            .poll(() => page.getByTestId("list-link").allTextContents(), SHOW)
            .toEqual(["Groceries1 item"]);
          expect(await focused(page)).toBe("main");
        });
      },
    );

    it("opens a share link for another person, and each sees what the other does", async () => {
      const ada = await openNewList(adas, "Picnic");
      await addItem(ada, "Bread");
      await addItem(ada, "Cheese");
      const grace = await open(graces, await shareLink(ada));
      await expect.poll(() => itemTexts(grace), SHOW).toEqual(["Bread", "Cheese"]);

      await addItem(grace, "Grapes");
      await renameItem(grace, "Bread", "Rye bread");
      await expect.poll(() => itemTexts(ada), SHOW).toEqual(["Rye bread", "Cheese", "Grapes"]);

      await (await itemRow(ada, "Grapes")).getByTestId("item-done").check();
      await (await itemRow(ada, "Cheese")).getByTestId("item-delete").click();
      await expect.poll(() => itemTexts(grace), SHOW).toEqual(["Rye bread", "[x] Grapes"]);

      await expect.poll(() => people(ada), SHOW).toEqual(["Ada", "Grace"]);
      await expect.poll(() => people(grace), SHOW).toEqual(["Ada", "Grace"]);
      expect(grace.url()).not.toContain("inviteSecret");
      await Promise.all([ada.close(), grace.close()]);
    });

    atLength("lets an invited person pass the same link on and rename the list", async () => {
      const ada = await openNewList(adas, "Reading");
      const link = await shareLink(ada);
      const grace = await open(graces, link);
      expect(await shareLink(grace)).toBe(link);

      await grace.getByTestId("list-title").fill("Winter reading");
      await grace.getByTestId("list-title").press("Enter");
      await expect.poll(() => ada.getByTestId("list-title").inputValue(), SHOW).toBe("Winter reading");
      await grace.getByTestId("back").click();
      await expect
        .poll(() => grace.getByTestId("list-link").first().textContent(), SHOW)
        .toBe("Winter reading0 items");
      await Promise.all([ada.close(), grace.close()]);
    });

    atLength(
      "shows one person's list in two windows, and the second window's edits in the first",
      async () => {
        const first = await openNewList(adas, "Trip");
        await addItem(first, "Tickets");
        const second = await open(adas, first.url());
        await expect.poll(() => itemTexts(second), SHOW).toEqual(["Tickets"]);
        await addItem(second, "Tent");
        await (await itemRow(second, "Tickets")).getByTestId("item-done").check();
        await expect.poll(() => itemTexts(first), SHOW).toEqual(["[x] Tickets", "Tent"]);

        // Her own share link must take her to the list as well, without adding it twice.
        const third = await open(adas, await shareLink(second));
        await expect.poll(() => itemTexts(third), SHOW).toEqual(["[x] Tickets", "Tent"]);
        await third.getByTestId("back").click();
        await third.getByTestId("list-link").first().waitFor();
        await expect
          .poll(
            async () =>
              (await third.getByTestId("list-link").allTextContents()).filter(
                (text) => text === "Trip2 items",
              ),
            SHOW,
          )
          .toHaveLength(1);
        await Promise.all([first.close(), second.close(), third.close()]);
      },
    );

    atLength("leaves half-typed text alone while others edit", async () => {
      const first = await openNewList(adas, "Typing");
      await addItem(first, "Old text");
      const second = await open(adas, first.url());
      await expect.poll(() => itemTexts(second), SHOW).toEqual(["Old text"]);

      const field = first.getByTestId("item-text").first();
      await field.fill("Half-typed");
      await addItem(second, "Another");
      await renameItem(second, "Old text", "Their text");
      await expect.poll(() => itemTexts(first), SHOW).toEqual(["Half-typed", "Another"]);
      await field.press("Escape");
      await expect.poll(() => itemTexts(first), SHOW).toEqual(["Their text", "Another"]);
      expect(await itemTexts(second)).toEqual(["Their text", "Another"]);
      await Promise.all([first.close(), second.close()]);
    });

    it("says when the connection is lost, keeps edits on the device, and delivers them afterwards", async () => {
      const proxy = await startCuttableProxy(Number(new URL(endpoint.pageUrl).port));
      const throughProxy = `${endpoint.pageUrl}?sync=ws://127.0.0.1:${proxy.port}/sync`;
      const ada = await open(adas, throughProxy);
      await createList(ada, "Train ride");
      await addItem(ada, "Before the tunnel");
      const grace = await open(graces, (await shareLink(ada)).replace(/\?sync=[^#]*/, ""));
      await expect.poll(() => itemTexts(grace), SHOW).toEqual(["Before the tunnel"]);

      proxy.cut();
      await expect.poll(() => connectionState(ada), SHOW).toBe("reconnecting, saved");
      await addItem(ada, "In the tunnel");
      await expect.poll(() => connectionState(ada), SHOW).toBe("reconnecting, unsaved");
      await addItem(grace, "Meanwhile");

      // jazz-tools writes to IndexedDB in the background; another offline window shows when it is there.
      const later = await open(adas, ada.url());
      const reopened = async () => {
        await later.reload();
        await later.getByTestId("new-item").waitFor();
        return itemTexts(later);
      };
      await expect.poll(reopened, SHOW).toEqual(["Before the tunnel", "In the tunnel"]);
      expect(await connectionState(later)).toMatch(/^connecting/);
      await ada.close();

      proxy.mend();
      await expect.poll(() => connectionState(later), SHOW).toBe("connected, saved");
      const all = ["Before the tunnel", "In the tunnel", "Meanwhile"];
      await expect.poll(async () => (await itemTexts(later)).toSorted(), SHOW).toEqual(all);
      await expect.poll(() => itemTexts(grace), SHOW).toEqual(await itemTexts(later));
      await Promise.all([later.close(), grace.close()]);
      await proxy.close();
    });

    atLength("starts without a connection, and joins a list when there is one", async () => {
      const ada = await openNewList(adas, "Patience");
      const link = new URL(await shareLink(ada));
      const proxy = await startCuttableProxy(Number(link.port));
      proxy.cut();
      link.searchParams.set("sync", `ws://127.0.0.1:${proxy.port}/sync`);
      await withNewcomer(async (newcomer) => {
        const invited = await open(newcomer, link.href);
        await signUp(invited, "Niels");
        await expect.poll(() => invited.getByTestId("joining").textContent(), SHOW).toMatch(/^Waiting/);
        const otherWindow = await open(newcomer, link.href.replace(/#.*/, new URL(ada.url()).hash));
        await expect.poll(() => otherWindow.getByTestId("loading").textContent(), SHOW).toMatch(/^Waiting/);

        proxy.mend();
        await expect.poll(() => invited.getByTestId("list-title").inputValue(), SHOW).toBe("Patience");
        await expect.poll(() => otherWindow.getByTestId("list-title").inputValue(), SHOW).toBe("Patience");
        await expect.poll(() => people(ada), SHOW).toEqual(["Ada", "Niels"]);
      });
      await ada.close();
      await proxy.close();
    });

    it("says what is wrong with a link that does not work", async () => {
      const ada = await openNewList(adas, "Private");
      const listUrl = ada.url();
      const link = await shareLink(ada);
      const grace = await open(graces, `${endpoint.pageUrl}#/list/co_zNOT-AN-ID`);
      await expect.poll(() => problemKind(grace), SHOW).toBe("bad-link");

      await grace.goto(listUrl);
      await expect.poll(() => problemKind(grace), SHOW).toBe("no-access");
      await grace.goto(withLastLetterChanged(link));
      await expect.poll(() => problemKind(grace), SHOW).toBe("link-invalid");
      await grace.goto(withLastLetterChanged(listUrl));
      await expect.poll(() => problemKind(grace), SHOW).toBe("not-found");
      // Another one, on a page that is connected already.
      await grace.goto(`${endpoint.pageUrl}#/`);
      await expect.poll(() => connectionState(grace), SHOW).toBe("connected, saved");
      await grace.goto(`${withLastLetterChanged(listUrl.slice(0, -1))}${listUrl.slice(-1)}`);
      await grace.locator("[data-kind=not-found]").waitFor({ timeout: NOT_FOUND_MS });

      await grace.getByTestId("problem-home").click();
      await grace.getByTestId("home").waitFor();
      await Promise.all([ada.close(), grace.close()]);
    });

    atLength("says what is wrong when it cannot start", async () => {
      await withNewcomer(async (newcomer) => {
        const page = await open(newcomer, `${endpoint.pageUrl}?sync=http://elsewhere/`);
        await expect.poll(() => problemKind(page), SHOW).toBe("bad-sync-address");

        await page.goto(endpoint.pageUrl);
        await signUp(page, "Niels");
        await page.evaluate(() => localStorage.setItem("jazz-logged-in-secret", "{}"));
        await page.reload();
        await expect.poll(() => problemKind(page), SHOW).toBe("start-failed");
        page.on("dialog", (dialog) => dialog.accept());
        await page.getByTestId("start-over").click();
        await page.getByTestId("welcome-name").waitFor();
      });
    });

    atLength("opens a list by itself once its link has been accepted in another window", async () => {
      const ada = await openNewList(adas, "Late");
      const early = await open(graces, ada.url());
      await expect.poll(() => problemKind(early), SHOW).toBe("no-access");
      const invited = await open(graces, await shareLink(ada));
      await invited.getByTestId("new-item").waitFor();
      await addItem(invited, "Here now");
      await expect.poll(() => itemTexts(early), SHOW).toEqual(["Here now"]);
      await Promise.all([ada.close(), early.close(), invited.close()]);
    });

    atLength("says of a new list that only its maker can open it, until it is shared", async () => {
      const ada = await openNewList(adas, "Mine");
      const isAlone = () => ada.getByTestId("alone").isVisible();
      expect(await isAlone()).toBe(true);
      const grace = await open(graces, await shareLink(ada));
      await expect.poll(() => people(ada), SHOW).toHaveLength(2);
      expect(await isAlone()).toBe(false);
      await Promise.all([ada.close(), grace.close()]);
    });

    atLength("takes a list off a person's index and leaves it to the others", async () => {
      const ada = await openNewList(adas, "Farewell");
      const grace = await open(graces, await shareLink(ada));
      await grace.getByTestId("forget-list").click();
      await grace.getByTestId("home").waitFor();
      await expect
        .poll(() => grace.getByTestId("list-link").allTextContents(), SHOW)
        .not.toContain("Farewell0 items");
      await addItem(ada, "Still here");
      await expect.poll(() => connectionState(ada), SHOW).toBe("connected, saved");
      await Promise.all([ada.close(), grace.close()]);
    });

    atLength("shows a person's new name to others", async () => {
      const ada = await openNewList(adas, "Names");
      const grace = await open(graces, await shareLink(ada));
      await grace.getByTestId("me").click();
      await grace.getByTestId("name-field").fill("Grace Hopper");
      await grace.getByTestId("name-save").click();
      await expect.poll(() => people(ada), SHOW).toEqual(["Ada", "Grace Hopper"]);
      expect(await grace.getByTestId("my-name").textContent()).toBe("Grace Hopper");
      await Promise.all([ada.close(), grace.close()]);
    });

    more?.(() => ({ endpoint, adas, graces, open, openNewList }));

    it("fetches nothing from other hosts and logs no errors while Ada and Grace do all of the above", () => {
      expect(traffic.complaints).toEqual([]);
      expect(traffic.requests).toBeGreaterThan(0);
    });
  });
}

/** What the browser logs about a refused WebSocket, and jazz-tools about lists that tests ask for in vain. */
const PROVOKED_ERROR = /^(WebSocket connection to|Jazz (Authorization|Unavailable) Error)/;

interface Traffic {
  requests: number;
  /** Requests that leave the page's host, uncaught errors, and errors the browser logs. */
  readonly complaints: string[];
}

function watchTraffic(context: BrowserContext, pageUrl: string, traffic: Traffic): void {
  const { complaints } = traffic;
  const { origin } = new URL(pageUrl);
  context.on("request", (request) => {
    traffic.requests++;
    const url = request.url();
    if (!url.startsWith(origin) && !url.startsWith("data:")) complaints.push(`request to ${url}`);
  });
  context.on("weberror", (event) => complaints.push(`uncaught: ${event.error().message}`));
  context.on("console", (message) => {
    if (message.type() === "error" && !PROVOKED_ERROR.test(message.text())) {
      complaints.push(`console: ${message.text()}`);
    }
  });
}

/** Still well-formed, but another id or secret. */
function withLastLetterChanged(url: string): string {
  return url.endsWith("1") ? `${url.slice(0, -1)}2` : `${url.slice(0, -1)}1`;
}
