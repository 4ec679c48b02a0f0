import { expect, test } from "vitest";
import { SPRITE_BUNDLE } from "../../support/sprite-bundle.ts";
import { soak } from "./soak.ts";

const SEED = Number(process.env.SOAK_SEED ?? 20261124);
const MINUTES = Number(process.env.SOAK_MINUTES ?? 1);

test(`real Sprites that sleep, crash, stand still and lose their disks, under real clients and edges that restart: nothing is lost and no socket closes (seed ${SEED})`, {
  timeout: (MINUTES * 3 + 5) * 60_000,
}, async () => {
  const report = await soak({ seed: SEED, minutes: MINUTES, spriteEntry: SPRITE_BUNDLE });
  console.log(report);
  expect(report).toContain("lost its disk");
});
