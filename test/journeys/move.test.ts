import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createMachinesFleet } from "../../edge/fleet/machines.ts";
import { createMachinesApi } from "../../edge/fleet/machines-api.ts";
import { createMachinesHttp } from "../../edge/fleet/machines-http.ts";
import { type MoveStep, moveMachine } from "../../edge/fleet/machines-move.ts";
import { machinesSettings } from "../../edge/sprite-settings.ts";
import { readEdgeConfig } from "../../ops/fleet/config.ts";
import { openGate } from "../../ops/fleet/gate.ts";
import { greetSprite } from "../../ops/fleet/greet.ts";
import type { GroupId } from "../../shared/ids.ts";
import { quiet } from "../fleet/local-fly.ts";
import { type Client, startClient } from "../support/client.ts";
import { startTestStack, TEST_FLEET, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";

const run = promisify(execFile);
const node = fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url));
const cli = fileURLToPath(new URL("../../ops/fleet/main.ts", import.meta.url));

/**
 * A mover in this process.
 * @param diesBefore the step before which it dies: what it holds is not given back.
 */
async function moveHere(
  stack: TestStack,
  home: GroupId,
  region: string,
  diesBefore?: MoveStep,
): Promise<void> {
  const config = await readEdgeConfig(undefined, stack.edgeSettings);
  if (config.FLEET !== "machines") throw new Error("only Fly Machines move");
  const settings = machinesSettings(config);
  const pause = (ms: number) => new Promise<void>((next) => setTimeout(next, Math.min(ms, 100)));
  const deps = {
    ...settings,
    pause,
    fetch: (url: string, init: RequestInit) => fetch(url, init),
    log: quiet,
  };
  const fleet = createMachinesFleet(deps);
  const gate = openGate(home, config.SYNC_URL, config.PASS_KEYS);
  let dead = false;
  await moveMachine(home, region, {
    api: createMachinesApi(createMachinesHttp(deps)),
    shape: settings,
    spriteEnv: settings.spriteEnv,
    address: (sprite) => fleet.address(sprite),
    gate: (command) => (dead ? Promise.reject(new Error("dead")) : gate(command)),
    greet: (address) => greetSprite(address, home, config.PASS_KEYS),
    pause,
    onStep: async (step) => {
      if (step !== diesBefore) return;
      // What it holds ends by itself, sooner than in a deployment.
      if (step !== "remove") await gate({ kind: "hold", ms: 300 });
      dead = true;
      throw new Error(`dead before ${step}`);
    },
    log: quiet,
  });
}

// Fly Sprites have no regions to choose.
describe.skipIf(TEST_FLEET === "sprites")(
  "a group that is moved to another region",
  { timeout: 120_000 },
  () => {
    let stack: TestStack;
    let writer: Client;
    beforeAll(async () => {
      stack = await startTestStack({ regions: ["fra", "nrt"] });
      writer = await startClient(stack.syncUrl, { name: "writer" });
    });
    afterAll(async () => {
      await writer?.close();
      await stack?.close();
    });

    const fleetCli = (...args: string[]) =>
      run(node, [cli, ...args, "--json"], { env: { PATH: process.env.PATH ?? "", ...stack.edgeSettings } });
    const newMap = async () => {
      const group = writer.node.createGroup();
      group.addMember("everyone", "reader");
      const map = group.createMap({ n: 0 });
      await writer.synced();
      return { home: group.id as unknown as GroupId, map };
    };
    /** A reader that has never been there sees `n`: it is on the Sprite's disk, not in a client's memory. */
    const stored = async (id: string, n: number) => {
      const reader = await startClient(stack.syncUrl, { name: "reader" });
      try {
        const copy = await reader.load(id);
        await until(() => copy.get("n") === n, { what: `${n} at a new reader` });
      } finally {
        await reader.close();
      }
    };
    const volumesOf = (home: string) => {
      const name = stack.machineOf(home).name.replaceAll("-", "_").slice(0, 26);
      return stack.fleet.volumes().filter((volume) => volume.name.startsWith(name));
    };

    test("keeps everything that was acknowledged, while its writer goes on writing all the time", async () => {
      const { home, map } = await newMap();
      const before = stack.machineOf(home);
      let n = 0;
      let acknowledged = 0;
      let moving = true;
      const writing = (async () => {
        while (moving) {
          map.set("n", ++n);
          const sent = n;
          await writer.synced();
          acknowledged = sent;
        }
      })();
      await until(() => acknowledged > 3, { what: "some acknowledged writes" });
      const { stdout } = await fleetCli("move", home, "nrt");
      moving = false;
      await writing;
      const after = stack.machineOf(home);
      expect(JSON.parse(stdout)).toMatchObject({ from: "fra", sprite: { id: after.id, region: "nrt" } });
      expect([before.region, after.region]).toEqual(["fra", "nrt"]);
      expect(volumesOf(home).map(({ id }) => id)).toEqual([after.volumeId]);
      await expect(moveHere(stack, home, "nrt")).rejects.toThrow("is in nrt already");
      await writer.close();
      await stored(map.id, acknowledged);
      expect(writer.closures()).toBe(0);
      writer = await startClient(stack.syncUrl, { name: "next writer" });
    });

    // Between any two of these nothing is written that the coordinator or the fleet would go by.
    test.each(["copy", "create", "switch", "remove"] as const)(
      "loses nothing when its mover dies before `%s`: it goes on, and the next move cleans up",
      async (step) => {
        const { home, map } = await newMap();
        map.set("n", 1);
        await writer.synced();
        await expect(moveHere(stack, home, "nrt", step)).rejects.toThrow(`dead before ${step}`);
        // Acknowledged by whichever Sprite the coordinator leads to once the hold is over.
        map.set("n", 2);
        await writer.synced();
        const switched = step === "remove";
        expect(stack.machineOf(home).region).toBe(switched ? "nrt" : "fra");
        await stored(map.id, 2);
        const target = switched ? "fra" : "nrt";
        await moveHere(stack, home, target);
        expect(volumesOf(home).map(({ id }) => id)).toEqual([stack.machineOf(home).volumeId]);
        expect(stack.machineOf(home).region).toBe(target);
        map.set("n", 3);
        await writer.synced();
        await stored(map.id, 3);
      },
    );
  },
);
