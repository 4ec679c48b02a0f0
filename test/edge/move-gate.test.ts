import { describe, expect, it } from "vitest";
import type { SpriteRecord } from "../../edge/fleet/fleet.ts";
import { afterCommand, heldFor, type Movable } from "../../edge/move-gate.ts";
import { asHome, idFromHash } from "../../shared/ids.ts";
import { spriteNameOf } from "../../shared/sprite-name.ts";

const home = asHome(idFromHash(new Uint8Array(19).fill(3)));
const sprite = (id: string): SpriteRecord => ({
  name: spriteNameOf(home),
  home,
  id,
  region: "fra",
  state: "running",
  image: "i",
});
const period = { number: 8, boot: "b8" };
const start: Movable = { sprite: sprite("old"), periods: { latest: { number: 7, boot: "b7" }, awake: true } };
const [mine, other] = [{ holder: "mover-one" }, { holder: "mover-two" }];
const held = (now = 0) => afterCommand(start, { ...mine, kind: "hold", ms: 1_000 }, now);

describe("a group that is being moved", () => {
  it("is closed until the hold is over, and longer when it is prolonged in time", () => {
    expect([heldFor(start, 0), heldFor(held(), 400), heldFor(held(), 1_000)]).toEqual([0, 600, 0]);
    const longer = afterCommand(held(), { ...mine, kind: "hold", ms: 1_000 }, 900);
    expect(heldFor(longer, 1_000)).toBe(900);
  });

  it("obeys nobody but its mover", () => {
    for (const command of [
      { ...other, kind: "hold", ms: 1 },
      { ...other, kind: "without", disks: ["v"] },
      { ...other, kind: "release" },
    ] as const) {
      expect(() => afterCommand(held(), command, 500)).toThrow(/somebody else/);
    }
    expect(heldFor(afterCommand(held(), { ...other, kind: "hold", ms: 1_000 }, 1_000), 1_500)).toBe(500);
  });

  it("does not obey a mover whose hold is over: it may have been written to since", () => {
    for (const command of [
      { ...mine, kind: "hold", ms: 1_000 },
      { ...mine, kind: "without", disks: ["v"] },
      { ...mine, kind: "switch", sprite: sprite("new"), period, disks: ["v"] },
    ] as const) {
      expect(() => afterCommand(held(), command, 1_000)).toThrow(/begin anew/);
    }
    expect(afterCommand(held(), { ...mine, kind: "release" }, 1_000)).toEqual(held());
  });

  it("is open again, elsewhere and in a newer period, from the switch on, and keeps off the disk that it left", () => {
    const copied = afterCommand(held(), { ...mine, kind: "without", disks: ["copy"] }, 1);
    expect(copied.gate?.without).toEqual(["copy"]);
    const switched = afterCommand(
      copied,
      { ...mine, kind: "switch", sprite: sprite("new"), period, disks: ["original"] },
      2,
    );
    expect(switched).toMatchObject({ sprite: { id: "new" }, periods: { latest: period, awake: true } });
    expect([heldFor(switched, 2), switched.gate?.without]).toEqual([0, ["original"]]);
    expect(afterCommand(switched, { ...mine, kind: "settled" }, 9_999).gate?.without).toEqual([]);
  });

  it("keeps off the copy also when its mover gives up or is never heard of again", () => {
    const copied = afterCommand(held(), { ...mine, kind: "without", disks: ["copy"] }, 1);
    expect(afterCommand(copied, { ...mine, kind: "release" }, 2).gate?.without).toEqual(["copy"]);
    expect(afterCommand(copied, { ...other, kind: "hold", ms: 5 }, 1_000).gate?.without).toEqual(["copy"]);
  });
});
