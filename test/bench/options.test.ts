import { parseArgs } from "node:util";
import { describe, expect, test } from "vitest";
import { OPTIONS, SECTIONS, toOptions } from "../../bench/options.ts";

const parseOptions = (args: string[]) => toOptions(parseArgs({ args, options: OPTIONS }).values);

describe("the bench's command line", () => {
  test("runs everything unless sections are named", () => {
    expect(parseOptions([])).toEqual({ sections: [...SECTIONS], quick: false, write: false });
    expect(parseOptions(["--only", "wake", "--only", "edge"]).sections).toEqual(["edge", "wake"]);
    expect(parseOptions(["--only", "storage"]).sections).toEqual([
      "storage-1k",
      "storage-10k",
      "storage-100k",
    ]);
    expect(parseOptions(["--only", "sync,wake", "--quick"])).toMatchObject({
      sections: ["sync", "wake"],
      quick: true,
    });
  });

  test("refuses what it does not know, and to keep rough figures", () => {
    expect(() => parseOptions(["--only", "egde"])).toThrow(/egde/);
    expect(() => parseOptions(["--fast"])).toThrow(/fast/);
    expect(() => parseOptions(["--quick", "--write"])).toThrow(/--write/);
  });
});
