import { expect, test } from "vitest";
import { parseMessage } from "../../shared/messages.ts";
import { Activity } from "../../sprite/activity.ts";

const ID = "co_zdtJFyoMnFp9jE8aFesFRysCKAr";
const OTHER = "co_zMHPtmF8dWfojLz2mZzrXnaStXf";
const about = (action: string, id: string) =>
  parseMessage(
    JSON.stringify({ action, id, ...(action === "content" ? { new: {} } : { header: true, sessions: {} }) }),
  );

test("content counts each time, a load once for each id, and nothing else", () => {
  const activity = new Activity();
  const counts = (action: string, id = ID) => activity.counts(about(action, id));
  expect([counts("load"), counts("load"), counts("load", OTHER)]).toEqual([true, false, true]);
  expect([counts("content"), counts("content")]).toEqual([true, true]);
  expect([counts("known"), counts("done")]).toEqual([false, false]);
  const batch = JSON.stringify({ action: "reconcile", id: "a batch", values: [] });
  expect(activity.counts(parseMessage(batch))).toBe(false);
});
