import { describe, expect, it } from "vitest";
import { spriteNameOf } from "../../shared/sprite-name.ts";
import { trapWorld } from "./trap-world.ts";

/** What bites in Fly's Machines API, in the words of facts/fly-machines: answers that are not true. */
describe("the Machines fleet survives", { timeout: 30_000 }, () => {
  const t = trapWorld();
  const { spec, volumes, onlyOne, stopped } = t;

  describe("answers that are not true", () => {
    it.each(["Machines_create", "Volumes_create"])(
      "%s answers 500 although it was made",
      async (operation) => {
        t.fly.host.faults.api(
          operation,
          { kind: "do-but-answer", answer: { status: 500, body: { error: "internal" } } },
          { times: 1 },
        );
        await t.fleet.ensure(spec());
        onlyOne();
      },
    );

    it.each(["Machines_create", "Volumes_create"])(
      "%s never answers although it was made",
      async (operation) => {
        t.fly.host.faults.api(operation, { kind: "do-but-hang" }, { times: 1 });
        const impatient = t.fly.fleet({
          pause: async () => {},
          fetch: (url, init) =>
            fetch(url, { ...init, ...(init.method === "POST" ? { signal: AbortSignal.timeout(300) } : {}) }),
        });
        await impatient.ensure(spec());
        onlyOne();
      },
    );

    it("a gateway answers with a page of HTML, as an error and as a success", async () => {
      const page = "<html><body>Bad gateway</body></html>";
      t.fly.host.faults.api(
        "Machines_create",
        { kind: "do-but-answer", answer: { status: 502, body: page } },
        { times: 1 },
      );
      t.fly.host.faults.api(
        "Volumes_create",
        { kind: "do-but-answer", answer: { status: 200, body: page } },
        { times: 1 },
      );
      await t.fleet.ensure(spec());
      onlyOne();
      t.fly.host.faults.api(
        "Machines_list",
        { kind: "answer", answer: { status: 502, body: page } },
        { times: 1 },
      );
      await expect(t.fleet.find(t.home)).rejects.toMatchObject({
        code: "transient",
        message: expect.not.stringContaining("<html>"),
      });
    });

    it.each([
      [409, "already_exists: unique machine name violation"],
      [400, "name is already in use"],
    ])("the list lags behind, and the duplicate name is refused with %i", async (status, error) => {
      const first = await t.fly.fleet().ensure(spec());
      t.fly.host.faults.api(
        "Machines_list",
        { kind: "answer", answer: { status: 200, body: [] } },
        { times: 2 },
      );
      const refusal = t.fly.host.faults.api(
        "Machines_create",
        { kind: "answer", answer: { status, body: { error } } },
        { times: 1 },
      );
      // Lags in the filtered list only: the whole app's list names it.
      expect((await t.fleet.ensure(spec())).id).toBe(first.id);
      expect(refusal.hits).toBe(1);
      onlyOne();
    });

    it("an unreachable host leaves the config out, and nothing is made in its place", async () => {
      const { id, name } = await t.fleet.ensure(spec());
      const thin = [{ id, name, state: "started", region: "fra", host_status: "unreachable" }];
      t.fly.host.faults.api(
        "Machines_list",
        { kind: "answer", answer: { status: 200, body: thin } },
        { times: 1 },
      );
      expect(await t.fleet.ensure(spec())).toMatchObject({ id, image: "", state: "running" });
      onlyOne();
    });

    it("an unreachable Machine appears after a create that failed: what it mounts is unknown, so no volume is deleted", async () => {
      const thin = [{ id: "lost", name: spriteNameOf(t.home), state: "started", host_status: "unreachable" }];
      const once = { times: 1 };
      t.fly.host.faults.api("Machines_list", { kind: "answer", answer: { status: 200, body: [] } }, once);
      t.fly.host.faults.api("Machines_list", { kind: "answer", answer: { status: 200, body: thin } }, once);
      t.fly.host.faults.api("Machines_create", { kind: "answer", answer: { status: 500 } }, once);
      expect(await t.fleet.ensure(spec())).toMatchObject({ id: "lost" });
      expect(volumes()).toHaveLength(1);
    });

    it("a deleted Machine is still listed as `destroyed`", async () => {
      const first = await t.fleet.ensure(spec());
      await t.fleet.destroy(first);
      const ghost = [{ id: first.id, name: first.name, state: "destroyed" }];
      t.fly.host.faults.api(
        "Machines_list",
        { kind: "answer", answer: { status: 200, body: ghost } },
        { times: 1 },
      );
      expect((await t.fleet.ensure(spec())).id).not.toBe(first.id);
      onlyOne();
    });

    it("a 404 that is not true: the Machine is found again by its name, and no second one is made", async () => {
      const sprite = await t.fleet.ensure(spec());
      const answer = { status: 404, body: { error: "machine not found" } };
      t.fly.host.faults.api("Machines_show", { kind: "answer", answer }, { times: 1 });
      await expect(t.fleet.wake(sprite)).rejects.toMatchObject({ code: "gone" });
      expect((await t.fleet.ensure(spec())).id).toBe(sprite.id);
      onlyOne();
    });

    it("503 and 500 for a read say nothing about the Machine: `transient`, and nothing is made", async () => {
      const sprite = await t.fleet.ensure(spec());
      for (const status of [500, 503]) {
        const answer = { status, body: { error: "internal" } };
        t.fly.host.faults.api("Machines_show", { kind: "answer", answer }, { times: 1 });
        await expect(t.fleet.wake(sprite)).rejects.toMatchObject({ code: "transient" });
      }
      onlyOne();
    });

    it("`start` answers 200 with an error inside", async () => {
      const sprite = await t.fleet.ensure(spec());
      await stopped(sprite.id);
      const body = { status: "error", message: "could not start" };
      t.fly.host.faults.api(
        "Machines_start",
        { kind: "answer", answer: { status: 200, body } },
        { times: 1 },
      );
      await expect(t.fleet.wake(sprite)).rejects.toMatchObject({
        code: "transient",
        message: expect.stringContaining("could not start"),
      });
      expect((await t.fleet.wake(sprite)).state).toBe("running");
    });
  });
});
