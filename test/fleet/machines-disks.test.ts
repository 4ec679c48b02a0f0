import { describe, expect, it } from "vitest";
import { volumeNameOf } from "../../edge/fleet/machines-config.ts";
import { spriteNameOf } from "../../shared/sprite-name.ts";
import { until } from "../support/until.ts";
import { trapWorld } from "./trap-world.ts";

/** What bites in Fly's Machines API, in the words of facts/fly-machines: races and disks. */
describe("the Machines fleet survives", { timeout: 30_000 }, () => {
  const t = trapWorld();
  const { spec, machines, volumes, onlyOne, pauses, createVolume, stopped } = t;

  describe("races", () => {
    it("a hundred calls from two edges make one Machine and one volume", async () => {
      const edges = [t.fly.fleet(), t.fly.fleet()];
      const sprites = await Promise.all(Array.from({ length: 100 }, (_, i) => edges[i % 2]?.ensure(spec())));
      expect(new Set(sprites.map((sprite) => sprite?.id)).size).toBe(1);
      onlyOne();
    });

    it("twenty edges at once, without a coordinator, make one Machine and clear their own volumes away", async () => {
      const created = t.fly.calls("Volumes_create").length;
      const sprites = await Promise.all(
        Array.from({ length: 20 }, () => t.fly.fleet({ pause: async () => {} }).ensure(spec())),
      );
      expect(new Set(sprites.map(({ id }) => id)).size).toBe(1);
      // Otherwise they did not race.
      expect(t.fly.calls("Volumes_create").length - created).toBeGreaterThan(1);
      onlyOne();
    });

    it("a Machine that is being destroyed still holds its name and its volume", async () => {
      const first = await t.fleet.ensure(spec());
      const [disk] = volumes();
      let release = () => {};
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      await stopped(first.id);
      t.fly.host.faults.boot({ kind: "hold", until: held }, { times: 1 });
      await t.api.post(`/machines/${first.id}/start`);
      await t.api.delete(`/machines/${first.id}?force=true`);
      expect(machines()[0]?.state).toBe("destroying");
      const lists = t.fly.calls("Machines_list").length;
      const next = t.fleet.ensure(spec());
      await until(() => t.fly.calls("Machines_list").length > lists);
      release();
      expect((await next).id).not.toBe(first.id);
      expect(machines().map(({ volumeId }) => volumeId)).toEqual([disk?.id]);
    });
  });

  describe("disks", () => {
    it("an orphaned volume is adopted, in its own region, and keeps its content", async () => {
      const volume = await createVolume("iad");
      const sprite = await t.fleet.ensure(spec(["fra"]));
      expect(sprite.region).toBe("iad");
      expect(machines()[0]?.volumeId).toBe(volume);
      onlyOne();
    });

    it("a Machine that was deleted by hand comes back on its disk", async () => {
      const sprite = await t.fleet.wake(await t.fleet.ensure(spec()));
      const { url, headers } = t.fleet.address(sprite);
      await fetch(`${url}/append`, { method: "POST", headers, body: "kept" });
      await t.api.delete(`/machines/${sprite.id}?force=true`);
      await until(() => machines().length === 0);
      await expect(t.fleet.wake(sprite)).rejects.toMatchObject({ code: "gone" });
      const next = await t.fleet.wake(await t.fleet.ensure(spec()));
      expect(next.id).not.toBe(sprite.id);
      expect(await (await fetch(`${url}/log`, { headers: t.fleet.address(next).headers })).text()).toBe(
        "kept",
      );
    });

    it("a migration kept the Machine's id and changed its volume's: destroy deletes the one it mounts now", async () => {
      const sprite = await t.fleet.ensure(spec());
      const moved = (await t.api.post("/volumes", { name: "moved_by_fly", region: "fra", size_gb: 1 })).json
        .id;
      const body = {
        id: sprite.id,
        name: sprite.name,
        state: "started",
        config: { mounts: [{ volume: moved, path: "/data" }] },
      };
      t.fly.host.faults.api("Machines_show", { kind: "answer", answer: { status: 200, body } }, { times: 1 });
      await t.fleet.destroy(sprite);
      expect(t.fly.host.volumes().map(({ id }) => id)).not.toContain(moved);
      expect(volumes()).toEqual([]);
    });

    it("a volume whose deletion has begun is not mounted", async () => {
      const name = volumeNameOf(spriteNameOf(t.home));
      const dying = [{ id: "vol_dying", name, state: "pending_destroy", region: "fra" }];
      t.fly.host.faults.api(
        "Volumes_list",
        { kind: "answer", answer: { status: 200, body: dying } },
        { times: 1 },
      );
      await t.fleet.ensure(spec());
      onlyOne();
      // Fly refuses to mount it, which the next round would have healed.
      expect(pauses).toEqual([]);
    });

    it("of several volumes the one that was written to is mounted, and none is deleted", async () => {
      const [empty, full] = [await createVolume(), await createVolume()];
      const read = (id: string, bytes_used: number) =>
        t.fly.host.faults.api(
          "Volumes_get_by_id",
          { kind: "answer", answer: { status: 200, body: { id, region: "fra", bytes_used } } },
          { when: ({ path }) => path.endsWith(id) },
        );
      read(empty, 1_000);
      read(full, 2_000);
      await t.fleet.ensure(spec());
      expect(machines()[0]?.volumeId).toBe(full);
      expect(volumes()).toHaveLength(2);
    });
  });
});
