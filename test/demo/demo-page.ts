import type { Page } from "playwright-core";

/** What a person does on the demo page, by its `data-testid`s. */

export async function signUp(page: Page, name: string): Promise<void> {
  await page.getByTestId("welcome-name").fill(name);
  await page.getByTestId("welcome-start").click();
  await page.getByTestId("me").waitFor();
}

export async function createList(page: Page, title: string): Promise<void> {
  await page.getByTestId("new-list-title").fill(title);
  await page.getByTestId("new-list-create").click();
  await page.getByTestId("new-item").waitFor();
}

export async function addItem(page: Page, text: string): Promise<void> {
  await page.getByTestId("new-item").fill(text);
  await page.getByTestId("new-item").press("Enter");
}

/** The link as the share dialog shows it, once the dialog says that it works. */
export async function shareLink(page: Page): Promise<string> {
  await page.getByTestId("share").click();
  await page.locator("[data-testid=share-note][data-ready=true]").waitFor();
  const link = await page.getByTestId("share-link").inputValue();
  await page.getByTestId("share-close").click();
  return link;
}

/** The row whose text is `text` now. */
export async function itemRow(page: Page, text: string) {
  const texts = await itemTexts(page);
  return page.getByTestId("item").nth(texts.map((shown) => shown.replace(/^\[x\] /, "")).indexOf(text));
}

export async function renameItem(page: Page, from: string, to: string): Promise<void> {
  const field = (await itemRow(page, from)).getByTestId("item-text");
  await field.fill(to);
  await field.press("Enter");
}

/** The items in order; a ticked one starts with `[x] `. */
export async function itemTexts(page: Page): Promise<string[]> {
  return page.getByTestId("item").evaluateAll((rows) =>
    rows.map((row) => {
      const done = row.querySelector<HTMLInputElement>("input[type=checkbox]")?.checked;
      const text = row.querySelector<HTMLTextAreaElement>("textarea")?.value ?? "";
      return done ? `[x] ${text}` : text;
    }),
  );
}

export function people(page: Page): Promise<string[]> {
  return page.locator("[data-testid=person] > span:last-child").allTextContents();
}

export async function connectionState(page: Page): Promise<string> {
  const chip = page.getByTestId("connection");
  const saved = await chip.getAttribute("data-saved");
  return `${await chip.getAttribute("data-state")}, ${saved === "true" ? "saved" : "unsaved"}`;
}

/** What the page says of the Sprite of the list that is open: `awake`, `waking`, `asleep` or `unknown`. */
export async function spriteState(page: Page): Promise<string | null> {
  return page.getByTestId("sprite").getAttribute("data-state");
}

export async function problemKind(page: Page): Promise<string | null> {
  return page.getByTestId("problem").getAttribute("data-kind");
}

/** What has the keyboard's focus: its `data-testid`, or the name of the element. */
export function focused(page: Page): Promise<string | undefined> {
  return page.evaluate(() => {
    const element = document.activeElement;
    return (element as HTMLElement | null)?.dataset.testid ?? element?.localName;
  });
}
