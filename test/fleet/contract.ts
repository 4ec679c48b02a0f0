import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Fleet, SpriteRecord } from "../../edge/fleet/fleet.ts";
import { spriteNameOf } from "../../shared/sprite-name.ts";
import { until } from "../support/until.ts";
import { newHome } from "./local-fly.ts";

/** A fleet under test and the world it runs in. */
export interface FleetUnderTest {
  /** Another client of the same fleet: an edge elsewhere, that shares no memory with the others. */
  client(): Fleet;
  /** Regions the fleet may use. */
  readonly regions: readonly string[];
  /** The platform's token. */
  readonly token: string;
  end(): Promise<void>;
}

/** What every fleet promises (edge/fleet/fleet.ts), whatever it runs on. */
export function testFleet(name: string, makeFleet: () => Promise<FleetUnderTest>): void {
  describe(`${name} keeps the fleet contract`, { timeout: 30_000 }, () => {
    let world: FleetUnderTest;
    let fleet: Fleet;
    beforeAll(async () => {
      world = await makeFleet();
      fleet = world.client();
    });
    afterAll(() => world.end());

    const spec = (home = newHome()) => ({ home, regions: world.regions });
    const get = (sprite: SpriteRecord, path: string, init: RequestInit = {}) => {
      const { url, headers } = fleet.address(sprite);
      return fetch(url + path, { ...init, headers: { ...headers, ...fleet.credentials({ url }) } });
    };
    const asleep = (sprite: SpriteRecord) =>
      until(async () => (await fleet.find(sprite.home))?.state === "asleep", { what: "the Sprite's sleep" });

    it("finds nothing for a home that has no Sprite, and creates nothing by looking", async () => {
      const home = newHome();
      expect(await fleet.find(home)).toBeUndefined();
      expect((await fleet.list()).map((sprite) => sprite.home)).not.toContain(home);
    });

    it("creates a Sprite that bears its home's name, in an allowed region, and finds it again", async () => {
      const wanted = spec();
      const sprite = await fleet.ensure(wanted);
      expect(sprite).toMatchObject({ home: wanted.home, name: spriteNameOf(wanted.home) });
      expect(world.regions).toContain(sprite.region);
      const found = await fleet.find(wanted.home);
      expect(found).toMatchObject({ id: sprite.id, region: sprite.region });
      // "" = it cannot be known without waking the Sprite.
      expect([sprite.image, ""]).toContain(found?.image);
      expect((await fleet.list()).filter(({ home }) => home === wanted.home)).toHaveLength(1);
    });

    it("gives the same Sprite to everybody who ensures it, one after the other or all at once", async () => {
      const wanted = spec();
      const clients = [world.client(), world.client()];
      const made = await Promise.all(Array.from({ length: 8 }, (_, i) => clients[i % 2]?.ensure(wanted)));
      const again = await world.client().ensure(wanted);
      expect(new Set(made.map((sprite) => sprite?.id))).toEqual(new Set([again.id]));
      expect((await fleet.list()).filter(({ home }) => home === wanted.home)).toHaveLength(1);
    });

    it("wakes a Sprite so that its address answers, and waking it again changes nothing", async () => {
      const sprite = await fleet.wake(await fleet.ensure(spec()));
      expect(sprite.state).toBe("running");
      const reply = await get(sprite, "/");
      expect(await reply.json()).toMatchObject({ env: { SPRITE_HOME: sprite.home } });
      expect(await fleet.wake(sprite)).toEqual(sprite);
    });

    it("has addresses that can be kept anywhere: no secret is in them", async () => {
      const sprite = await fleet.ensure(spec());
      expect(JSON.stringify([sprite, fleet.address(sprite)])).not.toContain(world.token);
    });

    it("puts a Sprite to sleep, and wakes it with its id and its disk", async () => {
      const sprite = await fleet.wake(await fleet.ensure(spec()));
      await get(sprite, "/append", { method: "POST", body: "kept" });
      await fleet.sleep(sprite);
      await asleep(sprite);
      const awake = await fleet.wake(sprite);
      expect(awake.id).toBe(sprite.id);
      expect(await (await get(awake, "/log")).text()).toBe("kept");
    });

    it("wakes once for many who ask at once", async () => {
      const sprite = await fleet.wake(await fleet.ensure(spec()));
      await fleet.sleep(sprite);
      const woken = await Promise.all(Array.from({ length: 5 }, () => world.client().wake(sprite)));
      expect(woken.map(({ state, id }) => `${state} ${id}`)).toEqual(Array(5).fill(`running ${sprite.id}`));
    });

    it("says `gone` for a Sprite that was destroyed, and makes a new, empty one when asked to", async () => {
      const sprite = await fleet.wake(await fleet.ensure(spec()));
      await get(sprite, "/append", { method: "POST", body: "lost" });
      await fleet.destroy(sprite);
      expect(await fleet.find(sprite.home)).toBeUndefined();
      await expect(fleet.wake(sprite)).rejects.toMatchObject({ code: "gone" });
      await fleet.destroy(sprite);
      const next = await fleet.wake(await fleet.ensure(spec(sprite.home)));
      expect(next.id).not.toBe(sprite.id);
      expect(await (await get(next, "/log")).text()).toBe("");
    });
  });
}
