import { afterAll, beforeAll, beforeEach, expect } from "vitest";
import type { Fleet } from "../../edge/fleet/fleet.ts";
import { volumeNameOf } from "../../edge/fleet/machines-config.ts";
import type { GroupId } from "../../shared/ids.ts";
import { spriteNameOf } from "../../shared/sprite-name.ts";
import { until } from "../support/until.ts";
import { flyApi } from "./fly-api.ts";
import { type LocalFly, newHome, startLocalFly } from "./local-fly.ts";

/**
 * A local Fly for the tests of one `describe`, and a new home and client for each of them.
 * @returns what changes from test to test as properties, and what looks at the present home as functions.
 */
export function trapWorld() {
  const pauses: number[] = [];
  let fly: LocalFly;
  let fleet: Fleet;
  let home: GroupId;
  beforeAll(async () => {
    fly = await startLocalFly();
  });
  beforeEach(() => {
    fly.host.faults.clear();
    home = newHome();
    pauses.length = 0;
    fleet = fly.fleet({ pause: async (ms) => void pauses.push(ms) });
  });
  afterAll(() => fly.end());

  const machines = () => fly.host.machines().filter(({ name }) => name === spriteNameOf(home));
  const volumes = () => fly.host.volumes().filter(({ name }) => name === volumeNameOf(spriteNameOf(home)));
  return {
    get fly() {
      return fly;
    },
    /** A client whose pauses take no time; `pauses` lists them. */
    get fleet() {
      return fleet;
    },
    get home() {
      return home;
    },
    /** The API as an operator uses it. */
    get api() {
      return flyApi(fly.host);
    },
    pauses,
    spec: (regions: string[] = []) => ({ home, regions }),
    machines,
    volumes,
    /** The promise behind most traps: the home has one Machine and one volume, and they belong together. */
    onlyOne() {
      expect(machines()).toHaveLength(1);
      expect(volumes()).toHaveLength(1);
      expect(machines()[0]?.volumeId).toBe(volumes()[0]?.id);
    },
    async createVolume(region = "fra"): Promise<string> {
      const body = { name: volumeNameOf(spriteNameOf(home)), region, size_gb: 1 };
      return (await flyApi(fly.host).post("/volumes", body)).json.id;
    },
    /** Waits for a Machine's first start and puts it to sleep. */
    async stopped(id: string): Promise<void> {
      const machine = () => fly.host.machines().find((candidate) => candidate.id === id);
      await until(() => machine()?.state === "started");
      await flyApi(fly.host).post(`/machines/${id}/stop`);
      await until(() => machine()?.state === "stopped");
    },
  };
}
