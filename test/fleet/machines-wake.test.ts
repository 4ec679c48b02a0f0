import { describe, expect, it } from "vitest";
import { until } from "../support/until.ts";
import { trapWorld } from "./trap-world.ts";

/** What bites in Fly's Machines API, in the words of facts/fly-machines: Machines between their states. */
describe("the Machines fleet survives", { timeout: 30_000 }, () => {
  const t = trapWorld();
  const { spec, machines, pauses, stopped } = t;

  describe("waking", () => {
    it("`wait` times out with 408: it is asked again", async () => {
      const sprite = await t.fleet.ensure(spec());
      await stopped(sprite.id);
      const body = {
        error: "deadline_exceeded: machine failed to reach desired state, started, currently stopped",
      };
      const timeouts = t.fly.host.faults.api(
        "Machines_wait",
        { kind: "answer", answer: { status: 408, body } },
        { times: 2 },
      );
      expect((await t.fleet.wake(sprite)).state).toBe("running");
      expect(timeouts.hits).toBeGreaterThan(0);
    });

    it("somebody arrives while it is stopping: it is started when it has stopped", async () => {
      let release = () => {};
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      t.fly.host.faults.boot({ kind: "hold", until: held }, { times: 1 });
      const sprite = await t.fleet.ensure(spec());
      await t.fleet.sleep(sprite);
      expect(machines()[0]?.state).toBe("stopping");
      const looks = t.fly.calls("Machines_show").length;
      const awake = t.fleet.wake(sprite);
      await until(() => t.fly.calls("Machines_show").length > looks);
      release();
      expect((await awake).state).toBe("running");
      const states = t.fly.changes.filter(({ id }) => id === sprite.id).map(({ state }) => state);
      expect(states).toEqual(["created", "starting", "stopping", "stopped", "starting", "started"]);
      // It waited for the stop: no start was refused on the way.
      expect(pauses).toEqual([]);
    });

    it("a suspended Machine comes back with its memory", async () => {
      const sprite = await t.fleet.wake(await t.fleet.ensure(spec()));
      const pid = machines()[0]?.pid;
      await t.api.post(`/machines/${sprite.id}/suspend`);
      await until(() => machines()[0]?.state === "suspended");
      expect(await t.fleet.find(t.home)).toMatchObject({ state: "asleep" });
      expect((await t.fleet.wake(sprite)).state).toBe("running");
      expect(machines()[0]?.pid).toBe(pid);
    });

    it("412, the state has changed meanwhile: it is read again", async () => {
      const sprite = await t.fleet.ensure(spec());
      await stopped(sprite.id);
      const body = { error: "failed_precondition: unable to start machine from current state: 'created'" };
      const refusal = t.fly.host.faults.api(
        "Machines_start",
        { kind: "answer", answer: { status: 412, body } },
        { times: 2 },
      );
      expect((await t.fleet.wake(sprite)).state).toBe("running");
      expect(refusal.hits).toBe(2);
      expect(pauses).toEqual([250, 500]);
    });

    it("409, somebody else holds a lease on it: it is read again, and started when the lease is over", async () => {
      const sprite = await t.fleet.ensure(spec());
      await stopped(sprite.id);
      const body = { status: "error", message: "lease currently held by somebody@example.com, expires at …" };
      const leased = t.fly.host.faults.api(
        "Machines_start",
        { kind: "answer", answer: { status: 409, body } },
        { times: 1 },
      );
      expect((await t.fleet.wake(sprite)).state).toBe("running");
      expect(leased.hits).toBe(1);
      expect(pauses).toEqual([250]);
    });

    it("somebody arrives while it is suspending: it is started when it is suspended", async () => {
      const sprite = await t.fleet.wake(await t.fleet.ensure(spec()));
      const suspending = { id: sprite.id, name: sprite.name, state: "suspending", region: "fra" };
      t.fly.host.faults.api(
        "Machines_show",
        { kind: "answer", answer: { status: 200, body: suspending } },
        { times: 1 },
      );
      await t.api.post(`/machines/${sprite.id}/suspend`);
      expect((await t.fleet.wake(sprite)).state).toBe("running");
      const waits = t.fly.calls("Machines_wait").filter(({ machineId }) => machineId === sprite.id);
      expect(waits.map(({ query }) => query.state)).toContain("suspended");
      expect(pauses).toEqual([]);
    });

    it("its host is full: `capacity`, at once", async () => {
      const sprite = await t.fleet.ensure(spec());
      await stopped(sprite.id);
      const body = {
        error: "aborted: could not reserve resource for machine: insufficient memory available",
      };
      t.fly.host.faults.api(
        "Machines_start",
        { kind: "answer", answer: { status: 409, body } },
        { times: 1 },
      );
      await expect(t.fleet.wake(sprite)).rejects.toMatchObject({ code: "capacity" });
      expect(pauses).toEqual([]);
    });

    it("every start is accepted and none has an effect: `transient` after three", async () => {
      const sprite = await t.fleet.ensure(spec());
      await stopped(sprite.id);
      const accepted = {
        kind: "answer",
        answer: { status: 200, body: { previous_state: "stopped" } },
      } as const;
      const starts = t.fly.host.faults.api("Machines_start", accepted);
      t.fly.host.faults.api("Machines_wait", {
        kind: "answer",
        answer: { status: 408, body: { error: "deadline_exceeded" } },
      });
      await expect(t.fleet.wake(sprite)).rejects.toMatchObject({
        code: "transient",
        message: expect.stringContaining("right after every start"),
      });
      expect(starts.hits).toBe(3);
    });

    it("it fails to start: one more try, then `transient`", async () => {
      const sprite = await t.fleet.ensure(spec());
      await stopped(sprite.id);
      const failure = t.fly.host.faults.boot({ kind: "fail" });
      await expect(t.fleet.wake(sprite)).rejects.toMatchObject({ code: "transient" });
      expect(failure.hits).toBe(2);
      expect(await t.fleet.find(t.home)).toMatchObject({ state: "failed" });
      failure.remove();
      expect((await t.fleet.wake(sprite)).state).toBe("running");
    });
  });
});
