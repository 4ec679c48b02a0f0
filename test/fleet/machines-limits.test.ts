import { describe, expect, it, onTestFinished } from "vitest";
import { createPacer } from "../../edge/fleet/pacer.ts";
import { newHome, startLocalFly } from "./local-fly.ts";
import { trapWorld } from "./trap-world.ts";

/** What bites in Fly's Machines API, in the words of facts/fly-machines: capacity, quotas, rates, tokens. */
describe("the Machines fleet survives", { timeout: 30_000 }, () => {
  const t = trapWorld();
  const { spec, machines, volumes, onlyOne, createVolume } = t;

  describe("regions, quotas and limits", () => {
    const full = (status: number, body: object) => ({ kind: "answer", answer: { status, body } }) as const;
    const regionOf = (body: unknown) => (body as { region: string }).region;

    it.each([
      [400, { error: "no capacity" }],
      [503, { error: "please retry", status: "insufficient_capacity" }],
      [403, { error: 'organization "x" is using 40960 MB of memory in fra which is over the allowed quota' }],
    ])(
      "a region without room (%i): the next one is taken and the full one is not asked again",
      async (status, body) => {
        const inFra = { when: (call: { body: unknown }) => regionOf(call.body) === "fra" };
        const refusal = t.fly.host.faults.api("Volumes_create", full(status, body), inFra);
        expect((await t.fleet.ensure(spec(["fra", "ams"]))).region).toBe("ams");
        expect(refusal.hits).toBe(1);
        onlyOne();
      },
    );

    it("the new volume's host has no room for the Machine: both go to another region", async () => {
      const error = "failed_precondition: insufficient resources to create new machine with existing volume";
      const inFra = { when: (call: { body: unknown }) => regionOf(call.body) === "fra" };
      t.fly.host.faults.api("Machines_create", full(412, { error }), inFra);
      expect((await t.fleet.ensure(spec(["fra", "ams"]))).region).toBe("ams");
      onlyOne();
    });

    it("regions that refused the volume are not asked again after the Machine was refused too", async () => {
      const asked: string[] = [];
      const isIn = (region: string) => ({
        when: (call: { body: unknown }) => {
          if (regionOf(call.body) === region) asked.push(region);
          return regionOf(call.body) === region;
        },
      });
      t.fly.host.faults.api("Volumes_create", full(400, { error: "no capacity" }), isIn("fra"));
      t.fly.host.faults.api(
        "Machines_create",
        full(409, { error: "could not reserve resource" }),
        isIn("ams"),
      );
      expect((await t.fleet.ensure(spec())).region).toBe("iad");
      expect(asked).toEqual(["fra", "ams"]);
      onlyOne();
    });

    it("an old volume's host has no room for the Machine: `capacity`, and the volume stays", async () => {
      const volume = await createVolume();
      const error = "aborted: could not reserve resource for machine: insufficient memory available";
      const refusal = t.fly.host.faults.api("Machines_create", full(409, { error }));
      await expect(t.fleet.ensure(spec(["fra", "ams"]))).rejects.toMatchObject({ code: "capacity" });
      expect(refusal.hits).toBe(1);
      expect(volumes().map(({ id }) => id)).toEqual([volume]);
    });

    it("no region has room: `capacity`, each region asked once, and nothing is left behind", async () => {
      const refusal = t.fly.host.faults.api("Volumes_create", full(400, { error: "no capacity" }));
      const message = expect.stringContaining("no capacity");
      await expect(t.fleet.ensure(spec())).rejects.toMatchObject({ code: "capacity", message });
      expect(refusal.hits).toBe(3);
      expect([machines(), volumes()]).toEqual([[], []]);
    });

    it("429 is `rate`, with the time that Retry-After names, and the next call finishes what this one began", async () => {
      const answer = { status: 429, body: { error: "rate limit exceeded" }, headers: { "retry-after": "7" } };
      t.fly.host.faults.api("Machines_create", { kind: "answer", answer }, { times: 1 });
      await expect(t.fleet.ensure(spec())).rejects.toMatchObject({ code: "rate", retryAfterMs: 7_000 });
      await t.fleet.ensure(spec());
      onlyOne();
    });

    it("a pacer keeps many creations within Fly's limits: none is refused", async () => {
      const limited = await startLocalFly({ rateLimits: true });
      onTestFinished(() => limited.end());
      const careful = limited.fleet({ pacer: createPacer(() => Date.now()) });
      const began = performance.now();
      await Promise.all(Array.from({ length: 5 }, () => careful.ensure({ home: newHome(), regions: [] })));
      // At 1 a second with a burst of 2 the fifth one's turn comes after three seconds.
      expect(performance.now() - began).toBeGreaterThan(2_900);
      expect(limited.calls("Machines_create").map(({ answer }) => answer.status)).toEqual([
        200, 200, 200, 200, 200,
      ]);
      const careless = Array.from({ length: 5 }, () => limited.fleet().find(newHome()));
      const refused = (await Promise.allSettled(careless)).filter(({ status }) => status === "rejected");
      expect(refused).not.toEqual([]);
      for (const result of refused)
        expect(result).toMatchObject({ reason: { code: "rate", retryAfterMs: 1_500 } });
    });

    it("a bad token is `auth`, said once, and not written into the message", async () => {
      const intruder = t.fly.fleet({ token: "FlyV1 fm2_wrong,fm2_token" });
      const error = await intruder.ensure(spec()).catch((reason: Error) => reason);
      expect(error).toMatchObject({ code: "auth" });
      expect(String(error)).not.toContain("fm2_");
    });

    it("a request that Fly refuses as such is `config-invalid` and is not repeated", async () => {
      const sick = t.fly.fleet({ guest: { cpu_kind: "shared", cpus: 1, memory_mb: 500 } });
      const before = t.fly.calls("Machines_create").length;
      await expect(sick.ensure(spec())).rejects.toMatchObject({ code: "config-invalid" });
      expect(t.fly.calls("Machines_create").length - before).toBe(1);
    });

    it("an outage ends as `transient` after four rounds, each with a look first", async () => {
      const outage = t.fly.host.faults.api("Machines_create", { kind: "answer", answer: { status: 500 } });
      await expect(t.fleet.ensure(spec())).rejects.toMatchObject({ code: "transient" });
      expect(outage.hits).toBe(4);
      expect(volumes()).toHaveLength(1);
      outage.remove();
      await t.fleet.ensure(spec());
      onlyOne();
    });
  });
});
