import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Fleet } from "../../edge/fleet/fleet.ts";
import { volumeNameOf } from "../../edge/fleet/machines-config.ts";
import { createPacer } from "../../edge/fleet/pacer.ts";
import type { GroupId } from "../../shared/ids.ts";
import { spriteNameOf } from "../../shared/sprite-name.ts";
import { until } from "../support/until.ts";
import { type LocalFly, newHome, startLocalFly } from "./local-fly.ts";

/** What bites in Fly's Machines API, each in the words of facts/fly-machines. */
describe("the Machines fleet survives", { timeout: 30_000 }, () => {
  let fly: LocalFly;
  let fleet: Fleet;
  let home: GroupId;
  let pauses: number[];
  beforeAll(async () => {
    fly = await startLocalFly();
  });
  beforeEach(() => {
    fly.host.faults.clear();
    home = newHome();
    pauses = [];
    fleet = fly.fleet({ pause: async (ms) => void pauses.push(ms) });
  });
  afterAll(() => fly.end());

  const spec = (regions: string[] = []) => ({ home, regions });
  const machines = () => fly.host.machines().filter(({ name }) => name === spriteNameOf(home));
  const volumes = () => fly.host.volumes().filter(({ name }) => name === volumeNameOf(spriteNameOf(home)));
  const onlyOne = () => {
    expect(machines()).toHaveLength(1);
    expect(volumes()).toHaveLength(1);
    expect(machines()[0]?.volumeId).toBe(volumes()[0]?.id);
  };
  const api = (path: string, init: RequestInit = {}) =>
    fetch(`${fly.host.apiUrl}/v1/apps/${fly.host.appName}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${fly.host.token}` },
    });
  const post = async (path: string, body: unknown) =>
    (await api(path, { method: "POST", body: JSON.stringify(body) })).json();
  const createVolume = async (region = "fra") =>
    (await post("/volumes", { name: volumeNameOf(spriteNameOf(home)), region, size_gb: 1 })).id as string;

  describe("answers that are not true", () => {
    it.each(["Machines_create", "Volumes_create"])(
      "%s answers 500 although it was made",
      async (operation) => {
        fly.host.faults.api(
          operation,
          { kind: "do-but-answer", answer: { status: 500, body: { error: "internal" } } },
          { times: 1 },
        );
        await fleet.ensure(spec());
        onlyOne();
      },
    );

    it.each(["Machines_create", "Volumes_create"])(
      "%s never answers although it was made",
      async (operation) => {
        fly.host.faults.api(operation, { kind: "do-but-hang" }, { times: 1 });
        const impatient = fly.fleet({
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
      fly.host.faults.api(
        "Machines_create",
        { kind: "do-but-answer", answer: { status: 502, body: page } },
        { times: 1 },
      );
      fly.host.faults.api(
        "Volumes_create",
        { kind: "do-but-answer", answer: { status: 200, body: page } },
        { times: 1 },
      );
      await fleet.ensure(spec());
      onlyOne();
      fly.host.faults.api(
        "Machines_list",
        { kind: "answer", answer: { status: 502, body: page } },
        { times: 1 },
      );
      await expect(fleet.find(home)).rejects.toMatchObject({
        code: "transient",
        message: expect.not.stringContaining("<html>"),
      });
    });

    it.each([
      [409, "already_exists: unique machine name violation"],
      [400, "name is already in use"],
    ])("the list lags behind, and the duplicate name is refused with %i", async (status, error) => {
      const first = await fly.fleet().ensure(spec());
      fly.host.faults.api(
        "Machines_list",
        { kind: "answer", answer: { status: 200, body: [] } },
        { times: 2 },
      );
      const refusal = fly.host.faults.api(
        "Machines_create",
        { kind: "answer", answer: { status, body: { error } } },
        { times: 1 },
      );
      // Lags in the filtered list only: the whole app's list names it.
      expect((await fleet.ensure(spec())).id).toBe(first.id);
      expect(refusal.hits).toBe(1);
      onlyOne();
    });

    it("an unreachable host leaves the config out, and nothing is made in its place", async () => {
      const { id, name } = await fleet.ensure(spec());
      const thin = [{ id, name, state: "started", region: "fra", host_status: "unreachable" }];
      fly.host.faults.api(
        "Machines_list",
        { kind: "answer", answer: { status: 200, body: thin } },
        { times: 1 },
      );
      expect(await fleet.ensure(spec())).toMatchObject({ id, image: "", state: "running" });
      onlyOne();
    });

    it("an unreachable Machine appears after a create that failed: what it mounts is unknown, so no volume is deleted", async () => {
      const thin = [{ id: "lost", name: spriteNameOf(home), state: "started", host_status: "unreachable" }];
      const once = { times: 1 };
      fly.host.faults.api("Machines_list", { kind: "answer", answer: { status: 200, body: [] } }, once);
      fly.host.faults.api("Machines_list", { kind: "answer", answer: { status: 200, body: thin } }, once);
      fly.host.faults.api("Machines_create", { kind: "answer", answer: { status: 500 } }, once);
      expect(await fleet.ensure(spec())).toMatchObject({ id: "lost" });
      expect(volumes()).toHaveLength(1);
    });

    it("a deleted Machine is still listed as `destroyed`", async () => {
      const first = await fleet.ensure(spec());
      await fleet.destroy(first);
      const ghost = [{ id: first.id, name: first.name, state: "destroyed" }];
      fly.host.faults.api(
        "Machines_list",
        { kind: "answer", answer: { status: 200, body: ghost } },
        { times: 1 },
      );
      expect((await fleet.ensure(spec())).id).not.toBe(first.id);
      onlyOne();
    });

    it("`start` answers 200 with an error inside", async () => {
      const sprite = await fleet.ensure(spec());
      await stopped(sprite.id);
      const body = { status: "error", message: "could not start" };
      fly.host.faults.api("Machines_start", { kind: "answer", answer: { status: 200, body } }, { times: 1 });
      await expect(fleet.wake(sprite)).rejects.toMatchObject({
        code: "transient",
        message: expect.stringContaining("could not start"),
      });
      expect((await fleet.wake(sprite)).state).toBe("running");
    });
  });

  describe("races", () => {
    it("a hundred calls from two edges make one Machine and one volume", async () => {
      const edges = [fly.fleet(), fly.fleet()];
      const sprites = await Promise.all(Array.from({ length: 100 }, (_, i) => edges[i % 2]?.ensure(spec())));
      expect(new Set(sprites.map((sprite) => sprite?.id)).size).toBe(1);
      onlyOne();
    });

    it("twenty edges at once, without a coordinator, make one Machine and clear their own volumes away", async () => {
      const created = fly.calls("Volumes_create").length;
      const sprites = await Promise.all(
        Array.from({ length: 20 }, () => fly.fleet({ pause: async () => {} }).ensure(spec())),
      );
      expect(new Set(sprites.map(({ id }) => id)).size).toBe(1);
      // Otherwise they did not race.
      expect(fly.calls("Volumes_create").length - created).toBeGreaterThan(1);
      onlyOne();
    });

    it("a Machine that is being destroyed still holds its name and its volume", async () => {
      const first = await fleet.ensure(spec());
      const [disk] = volumes();
      let release = () => {};
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      await stopped(first.id);
      fly.host.faults.boot({ kind: "hold", until: held }, { times: 1 });
      await api(`/machines/${first.id}/start`, { method: "POST" });
      await api(`/machines/${first.id}?force=true`, { method: "DELETE" });
      expect(machines()[0]?.state).toBe("destroying");
      const lists = fly.calls("Machines_list").length;
      const next = fleet.ensure(spec());
      await until(() => fly.calls("Machines_list").length > lists);
      release();
      expect((await next).id).not.toBe(first.id);
      expect(machines().map(({ volumeId }) => volumeId)).toEqual([disk?.id]);
    });
  });

  describe("disks", () => {
    it("an orphaned volume is adopted, in its own region, and keeps its content", async () => {
      const volume = await createVolume("iad");
      const sprite = await fleet.ensure(spec(["fra"]));
      expect(sprite.region).toBe("iad");
      expect(machines()[0]?.volumeId).toBe(volume);
      onlyOne();
    });

    it("a Machine that was deleted by hand comes back on its disk", async () => {
      const sprite = await fleet.wake(await fleet.ensure(spec()));
      const { url, headers } = fleet.address(sprite);
      await fetch(`${url}/append`, { method: "POST", headers, body: "kept" });
      await api(`/machines/${sprite.id}?force=true`, { method: "DELETE" });
      await until(() => machines().length === 0);
      await expect(fleet.wake(sprite)).rejects.toMatchObject({ code: "gone" });
      const next = await fleet.wake(await fleet.ensure(spec()));
      expect(next.id).not.toBe(sprite.id);
      expect(await (await fetch(`${url}/log`, { headers: fleet.address(next).headers })).text()).toBe("kept");
    });

    it("a migration kept the Machine's id and changed its volume's: destroy deletes the one it mounts now", async () => {
      const sprite = await fleet.ensure(spec());
      const moved = (await post("/volumes", { name: "moved_by_fly", region: "fra", size_gb: 1 })).id;
      const body = {
        id: sprite.id,
        name: sprite.name,
        state: "started",
        config: { mounts: [{ volume: moved, path: "/data" }] },
      };
      fly.host.faults.api("Machines_show", { kind: "answer", answer: { status: 200, body } }, { times: 1 });
      await fleet.destroy(sprite);
      expect(fly.host.volumes().map(({ id }) => id)).not.toContain(moved);
      expect(volumes()).toEqual([]);
    });

    it("a volume whose deletion has begun is not mounted", async () => {
      const name = volumeNameOf(spriteNameOf(home));
      const dying = [{ id: "vol_dying", name, state: "pending_destroy", region: "fra" }];
      fly.host.faults.api(
        "Volumes_list",
        { kind: "answer", answer: { status: 200, body: dying } },
        { times: 1 },
      );
      await fleet.ensure(spec());
      onlyOne();
      // Fly refuses to mount it, which the next round would have healed.
      expect(pauses).toEqual([]);
    });

    it("of several volumes the one that was written to is mounted, and none is deleted", async () => {
      const [empty, full] = [await createVolume(), await createVolume()];
      const read = (id: string, bytes_used: number) =>
        fly.host.faults.api(
          "Volumes_get_by_id",
          { kind: "answer", answer: { status: 200, body: { id, region: "fra", bytes_used } } },
          { when: ({ path }) => path.endsWith(id) },
        );
      read(empty, 1_000);
      read(full, 2_000);
      await fleet.ensure(spec());
      expect(machines()[0]?.volumeId).toBe(full);
      expect(volumes()).toHaveLength(2);
    });
  });

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
        const refusal = fly.host.faults.api("Volumes_create", full(status, body), inFra);
        expect((await fleet.ensure(spec(["fra", "ams"]))).region).toBe("ams");
        expect(refusal.hits).toBe(1);
        onlyOne();
      },
    );

    it("the new volume's host has no room for the Machine: both go to another region", async () => {
      const error = "failed_precondition: insufficient resources to create new machine with existing volume";
      const inFra = { when: (call: { body: unknown }) => regionOf(call.body) === "fra" };
      fly.host.faults.api("Machines_create", full(412, { error }), inFra);
      expect((await fleet.ensure(spec(["fra", "ams"]))).region).toBe("ams");
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
      fly.host.faults.api("Volumes_create", full(400, { error: "no capacity" }), isIn("fra"));
      fly.host.faults.api("Machines_create", full(409, { error: "could not reserve resource" }), isIn("ams"));
      expect((await fleet.ensure(spec())).region).toBe("iad");
      expect(asked).toEqual(["fra", "ams"]);
      onlyOne();
    });

    it("an old volume's host has no room for the Machine: `capacity`, and the volume stays", async () => {
      const volume = await createVolume();
      const error = "aborted: could not reserve resource for machine: insufficient memory available";
      const refusal = fly.host.faults.api("Machines_create", full(409, { error }));
      await expect(fleet.ensure(spec(["fra", "ams"]))).rejects.toMatchObject({ code: "capacity" });
      expect(refusal.hits).toBe(1);
      expect(volumes().map(({ id }) => id)).toEqual([volume]);
    });

    it("no region has room: `capacity`, each region asked once, and nothing is left behind", async () => {
      const refusal = fly.host.faults.api("Volumes_create", full(400, { error: "no capacity" }));
      const message = expect.stringContaining("no capacity");
      await expect(fleet.ensure(spec())).rejects.toMatchObject({ code: "capacity", message });
      expect(refusal.hits).toBe(3);
      expect([machines(), volumes()]).toEqual([[], []]);
    });

    it("429 is `rate`, with the time that Retry-After names, and the next call finishes what this one began", async () => {
      const answer = { status: 429, body: { error: "rate limit exceeded" }, headers: { "retry-after": "7" } };
      fly.host.faults.api("Machines_create", { kind: "answer", answer }, { times: 1 });
      await expect(fleet.ensure(spec())).rejects.toMatchObject({ code: "rate", retryAfterMs: 7_000 });
      await fleet.ensure(spec());
      onlyOne();
    });

    it("a pacer keeps many creations within Fly's limits: none is refused", async () => {
      const limited = await startLocalFly({ rateLimits: true });
      const careful = limited.fleet({ pacer: createPacer() });
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
      await limited.end();
    });

    it("a bad token is `auth`, said once, and not written into the message", async () => {
      const intruder = fly.fleet({ token: "FlyV1 fm2_wrong,fm2_token" });
      const error = await intruder.ensure(spec()).catch((reason: Error) => reason);
      expect(error).toMatchObject({ code: "auth" });
      expect(String(error)).not.toContain("fm2_");
    });

    it("a request that Fly refuses as such is `config-invalid` and is not repeated", async () => {
      const sick = fly.fleet({ guest: { cpu_kind: "shared", cpus: 1, memory_mb: 500 } });
      const before = fly.calls("Machines_create").length;
      await expect(sick.ensure(spec())).rejects.toMatchObject({ code: "config-invalid" });
      expect(fly.calls("Machines_create").length - before).toBe(1);
    });

    it("an outage ends as `transient` after four rounds, each with a look first", async () => {
      const outage = fly.host.faults.api("Machines_create", { kind: "answer", answer: { status: 500 } });
      await expect(fleet.ensure(spec())).rejects.toMatchObject({ code: "transient" });
      expect(outage.hits).toBe(4);
      expect(volumes()).toHaveLength(1);
      outage.remove();
      await fleet.ensure(spec());
      onlyOne();
    });
  });

  describe("waking", () => {
    it("`wait` times out with 408: it is asked again", async () => {
      const sprite = await fleet.ensure(spec());
      await stopped(sprite.id);
      const body = {
        error: "deadline_exceeded: machine failed to reach desired state, started, currently stopped",
      };
      const timeouts = fly.host.faults.api(
        "Machines_wait",
        { kind: "answer", answer: { status: 408, body } },
        { times: 2 },
      );
      expect((await fleet.wake(sprite)).state).toBe("running");
      expect(timeouts.hits).toBeGreaterThan(0);
    });

    it("somebody arrives while it is stopping: it is started when it has stopped", async () => {
      let release = () => {};
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      fly.host.faults.boot({ kind: "hold", until: held }, { times: 1 });
      const sprite = await fleet.ensure(spec());
      await fleet.sleep(sprite);
      expect(machines()[0]?.state).toBe("stopping");
      const looks = fly.calls("Machines_show").length;
      const awake = fleet.wake(sprite);
      await until(() => fly.calls("Machines_show").length > looks);
      release();
      expect((await awake).state).toBe("running");
      const states = fly.changes.filter(({ id }) => id === sprite.id).map(({ state }) => state);
      expect(states).toEqual(["created", "starting", "stopping", "stopped", "starting", "started"]);
      // It waited for the stop: no start was refused on the way.
      expect(pauses).toEqual([]);
    });

    it("a suspended Machine comes back with its memory", async () => {
      const sprite = await fleet.wake(await fleet.ensure(spec()));
      const pid = machines()[0]?.pid;
      await api(`/machines/${sprite.id}/suspend`, { method: "POST" });
      await until(() => machines()[0]?.state === "suspended");
      expect(await fleet.find(home)).toMatchObject({ state: "asleep" });
      expect((await fleet.wake(sprite)).state).toBe("running");
      expect(machines()[0]?.pid).toBe(pid);
    });

    it("412, the state has changed meanwhile: it is read again", async () => {
      const sprite = await fleet.ensure(spec());
      await stopped(sprite.id);
      const body = { error: "failed_precondition: unable to start machine from current state: 'created'" };
      const refusal = fly.host.faults.api(
        "Machines_start",
        { kind: "answer", answer: { status: 412, body } },
        { times: 2 },
      );
      expect((await fleet.wake(sprite)).state).toBe("running");
      expect(refusal.hits).toBe(2);
      expect(pauses).toEqual([250, 500]);
    });

    it("its host is full: `capacity`, at once", async () => {
      const sprite = await fleet.ensure(spec());
      await stopped(sprite.id);
      const body = {
        error: "aborted: could not reserve resource for machine: insufficient memory available",
      };
      fly.host.faults.api("Machines_start", { kind: "answer", answer: { status: 409, body } }, { times: 1 });
      await expect(fleet.wake(sprite)).rejects.toMatchObject({ code: "capacity" });
      expect(pauses).toEqual([]);
    });

    it("every start is accepted and none has an effect: `transient` after three", async () => {
      const sprite = await fleet.ensure(spec());
      await stopped(sprite.id);
      const accepted = {
        kind: "answer",
        answer: { status: 200, body: { previous_state: "stopped" } },
      } as const;
      const starts = fly.host.faults.api("Machines_start", accepted);
      fly.host.faults.api("Machines_wait", {
        kind: "answer",
        answer: { status: 408, body: { error: "deadline_exceeded" } },
      });
      await expect(fleet.wake(sprite)).rejects.toMatchObject({
        code: "transient",
        message: expect.stringContaining("right after every start"),
      });
      expect(starts.hits).toBe(3);
    });

    it("it fails to start: one more try, then `transient`", async () => {
      const sprite = await fleet.ensure(spec());
      await stopped(sprite.id);
      const failure = fly.host.faults.boot({ kind: "fail" });
      await expect(fleet.wake(sprite)).rejects.toMatchObject({ code: "transient" });
      expect(failure.hits).toBe(2);
      expect(await fleet.find(home)).toMatchObject({ state: "failed" });
      failure.remove();
      expect((await fleet.wake(sprite)).state).toBe("running");
    });
  });

  /** Waits for a Machine's first start and puts it to sleep. */
  async function stopped(id: string): Promise<void> {
    const machine = () => fly.host.machines().find((candidate) => candidate.id === id);
    await until(() => machine()?.state === "started");
    await api(`/machines/${id}/stop`, { method: "POST" });
    await until(() => machine()?.state === "stopped");
  }
});
