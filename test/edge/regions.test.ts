import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { regionTable } from "../../dev/region-table.ts";
import { REGION_TABLE } from "../../edge/region-table.ts";
import { ALL_REGIONS, locationHintOf, nearestFirst, positionOf } from "../../edge/regions.ts";

const TOKYO = { latitude: 35.68, longitude: 139.69 };
const FIJI = { latitude: -17.8, longitude: 178 };
const SAMOA = { latitude: -13.8, longitude: -172 };

describe("the region table", () => {
  it("is what its generator makes of the data", () => {
    expect(readFileSync(new URL("../../edge/region-table.ts", import.meta.url), "utf8")).toBe(regionTable());
  });

  it("knows Fly's 18 regions, each somewhere on earth", () => {
    expect(new Set(ALL_REGIONS).size).toBe(18);
    for (const { latitude, longitude } of REGION_TABLE) {
      expect(positionOf({ latitude: String(latitude), longitude: String(longitude) })).toEqual({
        latitude,
        longitude,
      });
    }
  });
});

describe("where a browser is", () => {
  it("is read from the strings that Cloudflare gives", () => {
    expect(positionOf({ latitude: "35.68", longitude: "139.69", colo: "NRT" })).toEqual(TOKYO);
    expect(positionOf({ latitude: "0", longitude: "-0.5" })).toEqual({ latitude: 0, longitude: -0.5 });
  });

  it.each([
    undefined,
    null,
    {},
    { latitude: "35" },
    { latitude: "", longitude: "" },
    { latitude: "north", longitude: "1" },
    { latitude: "91", longitude: "1" },
    { latitude: "1", longitude: "-181" },
    { latitude: 35, longitude: 139 },
  ])("is unknown for %j", (cf) => {
    expect(positionOf(cf)).toBeUndefined();
  });
});

describe("the nearest region", () => {
  it.each([
    ["Tokyo", TOKYO, ["fra", "sin", "nrt", "iad"], ["nrt", "sin", "fra", "iad"]],
    ["Lisbon", { latitude: 38.7, longitude: -9.1 }, ["iad", "fra", "cdg"], ["cdg", "fra", "iad"]],
    ["Fiji, across the date line", SAMOA, ["lax", "syd"], ["syd", "lax"]],
    ["Fiji, on its near side", FIJI, ["lax", "syd"], ["syd", "lax"]],
  ])("to %s comes first", (_, visitor, allowed, ranked) => {
    expect(nearestFirst(allowed, visitor)).toEqual(ranked);
  });

  it("is always one of those that are allowed: each of them appears once, and no other", () => {
    const allowed = fc.uniqueArray(fc.constantFrom(...ALL_REGIONS, "lcl", "xyz"), { minLength: 1 });
    const at = fc.record({
      latitude: fc.double({ min: -90, max: 90, noNaN: true }),
      longitude: fc.double({ min: -180, max: 180, noNaN: true }),
    });
    fc.assert(
      fc.property(allowed, fc.option(at, { nil: undefined }), (codes, visitor) => {
        const ranked = nearestFirst(codes, visitor);
        expect(ranked.toSorted()).toEqual(codes.toSorted());
        if (!visitor) expect(ranked).toEqual(codes);
      }),
    );
  });

  it("leaves regions without a known place in their own order behind the others", () => {
    expect(nearestFirst(["new", "lcl", "fra"], TOKYO)).toEqual(["fra", "new", "lcl"]);
  });
});

describe("the place of a coordinator", () => {
  it("follows its Sprite's region", () => {
    const hints = Object.fromEntries(ALL_REGIONS.map((code) => [code, locationHintOf(code)]));
    expect(hints).toMatchObject({
      sjc: "wnam",
      lax: "wnam",
      dfw: "enam",
      iad: "enam",
      yyz: "enam",
      gru: "sam",
      fra: "weur",
      lhr: "weur",
      arn: "eeur",
      jnb: "afr",
      nrt: "apac",
      bom: "apac",
      syd: "oc",
    });
    expect(Object.values(hints)).not.toContain(undefined);
  });

  it("is Cloudflare's choice where the region has no known place", () => {
    expect([locationHintOf("lcl"), locationHintOf(undefined)]).toEqual([undefined, undefined]);
  });
});
