import { describe, expect, it } from "vitest";
import { absenceOf } from "../../demo/src/views/list-absence.ts";

describe("why the demo page does not show a list", () => {
  it.each([
    ["loading", "connected", "loading"],
    ["loading", "connecting", "waiting"],
    ["unavailable", "connected", "not-found"],
    ["deleted", "connected", "not-found"],
    ["unavailable", "reconnecting", "not-here"],
    ["unauthorized", "connected", "no-access"],
    ["unauthorized", "reconnecting", "no-access"],
  ] as const)("is, when jazz-tools says %s and the page is %s: %s", (loadingState, link, absence) => {
    expect(absenceOf(loadingState, link)).toBe(absence);
  });
});
