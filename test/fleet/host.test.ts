import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { processRunner } from "../../dev/fleet/index.ts";
import type { LogFields } from "../../shared/log.ts";
import { until } from "../support/until.ts";
import { type FlyJson, flyApi } from "./fly-api.ts";
import { type LocalFly, quiet, startLocalFly, tinySprite } from "./local-fly.ts";

describe("the local fleet host", { timeout: 30_000 }, () => {
  let fly: LocalFly;
  let api: ReturnType<typeof flyApi>;
  beforeEach(async () => {
    fly = await startLocalFly();
    api = flyApi(fly.host);
  });
  afterEach(() => fly.end());

  const machine = (id: string) => fly.host.machines().find((candidate) => candidate.id === id);
  const state = (id: string, wanted: string) =>
    until(() => machine(id)?.state === wanted, { what: `state ${wanted}` });
  const statesOf = (id: string) =>
    fly.changes.filter((change) => change.id === id).map((change) => change.state);
  const visit = (id: string, path: string, init: RequestInit = {}) =>
    fetch(fly.host.appUrl + path, { ...init, headers: { "fly-force-instance-id": id } });

  describe("a Machine's environment", () => {
    it("holds its config's env, the app's secrets, Fly's names, its port and its disk, and nothing of ours", async () => {
      process.env.NOT_FOR_MACHINES = "x";
      const { id, volume } = await api.createMachine({ env: { SPRITE_HOME: "co_zHome", PORT: "8080" } });
      const { env } = await (await visit(id, "/")).json();
      delete process.env.NOT_FOR_MACHINES;
      expect(env).toMatchObject({
        SPRITE_HOME: "co_zHome",
        PASS_KEYS: "a-secret-of-the-app",
        FLY_MACHINE_ID: id,
        FLY_APP_NAME: fly.host.appName,
        FLY_REGION: "fra",
        PORT: String(machine(id)?.port),
        SPRITE_DATA: join(fly.dataDir, volume, "hypercore-storage"),
      });
      expect(env).not.toHaveProperty("NOT_FOR_MACHINES");
    });
  });

  it("keeps Ctrl-C in its terminal from its Machines: it stops them itself, in order", async () => {
    const { id } = await api.createMachine();
    await state(id, "started");
    const pid = machine(id)?.pid;
    expect(execFileSync("ps", ["-o", "pgid=", "-p", String(pid)], { encoding: "utf8" }).trim()).toBe(
      String(pid),
    );
  });

  describe("a process that ends", () => {
    it("with code 0 has fallen asleep: `stopped`, and it stays so", async () => {
      const { id } = await api.createMachine();
      await visit(id, "/exit?code=0");
      await state(id, "stopped");
      expect(statesOf(id)).toEqual(["created", "starting", "started", "stopped"]);
      expect(fly.changes.at(-1)).toMatchObject({ exit: { code: 0, signal: null }, source: "flyd" });
    });

    it("with another code, or killed, is started again", async () => {
      const { id } = await api.createMachine();
      await visit(id, "/exit?code=3");
      await until(() => statesOf(id).filter((entered) => entered === "started").length === 2);
      fly.host.kill(id, "SIGKILL");
      await until(() => statesOf(id).filter((entered) => entered === "started").length === 3);
      const exits = fly.changes
        .filter((change) => change.exit)
        .map(({ state, exit }) => ({ state, ...exit }));
      expect(exits).toEqual([
        { state: "restarting", code: 3, signal: null },
        { state: "restarting", code: null, signal: "SIGKILL" },
      ]);
    });

    it("more often than max_retries stays stopped", async () => {
      const { id } = await api.createMachine({ restart: { policy: "on-failure", max_retries: 1 } });
      await visit(id, "/exit?code=1");
      await until(() => statesOf(id).filter((entered) => entered === "started").length === 2);
      await visit(id, "/exit?code=1");
      await state(id, "stopped");
    });

    it("is not started again under the policy `no`", async () => {
      const { id } = await api.createMachine({ restart: { policy: "no" } });
      await visit(id, "/exit?code=1");
      await state(id, "stopped");
    });
  });

  describe("stop, suspend, destroy", () => {
    it("kills what ignores SIGTERM when the time is over", async () => {
      const { id } = await api.createMachine({ env: { IGNORE_SIGTERM: "1" } });
      await visit(id, "/");
      await api.post(`/machines/${id}/stop`, { signal: "SIGTERM", timeout: "100ms" });
      await state(id, "stopped");
      expect(fly.changes.at(-1)).toMatchObject({ exit: { signal: "SIGKILL" } });
    });

    it("stops a suspended Machine", async () => {
      const { id } = await api.createMachine();
      await visit(id, "/");
      await api.post(`/machines/${id}/suspend`);
      expect(machine(id)?.state).toBe("suspended");
      await api.post(`/machines/${id}/stop`, { signal: "SIGTERM", timeout: "5s" });
      await state(id, "stopped");
      // It ran again to end in order: nobody had to kill it.
      expect(fly.changes.at(-1)).toMatchObject({ exit: { code: 0, signal: null } });
    });

    it("destroys a running Machine only by force, and its volume only afterwards", async () => {
      const { id, volume } = await api.createMachine();
      await state(id, "started");
      expect((await api.delete(`/machines/${id}`)).status).toBe(412);
      expect((await api.delete(`/volumes/${volume}`)).status).toBe(412);
      expect((await api.delete(`/machines/${id}?force=true`)).status).toBe(200);
      await until(async () => (await api.get(`/machines/${id}`)).json.state === "destroyed");
      expect((await api.get("/machines")).json).toEqual([]);
      expect((await api.delete(`/volumes/${volume}`)).status).toBe(200);
      expect(existsSync(join(fly.dataDir, volume))).toBe(false);
      expect((await api.get(`/volumes/${volume}`)).status).toBe(404);
    });
  });

  describe("wait", () => {
    it("answers when the state is reached, and 408 when it is not in time", async () => {
      const { id } = await api.createMachine();
      expect((await api.get(`/machines/${id}/wait?state=started&timeout=60`)).json).toMatchObject({
        ok: true,
        state: "started",
      });
      const { status, json } = await api.get(`/machines/${id}/wait?state=suspended&timeout=1`);
      expect([status, json.error]).toEqual([408, expect.stringContaining("suspended, currently started")]);
    });

    it("demands a version for `stopped`, and 60 seconds at most", async () => {
      const { id } = await api.createMachine();
      expect((await api.get(`/machines/${id}/wait?state=stopped`)).status).toBe(400);
      expect((await api.get(`/machines/${id}/wait?state=started&timeout=61`)).status).toBe(400);
    });
  });

  describe("refusals", () => {
    it("without the token, for another app, for what does not exist", async () => {
      expect((await flyApi(fly.host, "wrong").get("/machines")).status).toBe(401);
      const other = await fetch(`${fly.host.apiUrl}/v1/apps/other/machines`, {
        headers: { authorization: `Bearer ${fly.host.token}` },
      });
      expect(other.status).toBe(404);
      expect((await api.get("/machines/none")).status).toBe(404);
      expect((await api.post("/machines/none/start")).status).toBe(404);
    });

    it("of a second Machine with the same name, on a mounted volume, and on one that is not there", async () => {
      const { volume } = await api.createMachine({}, { name: "twin" });
      await expect(api.createMachine({}, { name: "twin" })).rejects.toThrow("409");
      await expect(api.createMachine({ mounts: [{ volume, path: "/data" }] })).rejects.toThrow("412");
      await expect(api.createMachine({ mounts: [{ volume: "vol_none", path: "/data" }] })).rejects.toThrow(
        "400",
      );
    });

    it("of names, regions and memory that Fly refuses", async () => {
      expect((await api.post("/volumes", { name: "Has-Dash", region: "fra" })).status).toBe(400);
      expect((await api.post("/volumes", { name: "ok", region: "eu" })).status).toBe(400);
      await expect(api.createMachine({ env: { FLY_X: "1" } })).rejects.toThrow("400");
      await expect(api.createMachine({ guest: { memory_mb: 300 } })).rejects.toThrow("400");
    });
  });

  it("updates a Machine's config: it reboots, keeps its disk, and has a new version", async () => {
    const { id, volume } = await api.createMachine({ metadata: { sprite_home: "co_z1" } });
    await visit(id, "/append", { method: "POST", body: "kept" });
    const { json } = await api.get(`/machines/${id}`);
    const config = { ...json.config, env: { NEW: "1" }, image: "sprite-sync:next" };
    expect((await api.post(`/machines/${id}`, { config, current_version: "stale" })).status).toBe(409);
    const updated = await api.post(`/machines/${id}`, { config, current_version: json.instance_id });
    expect(updated.json.instance_id).not.toBe(json.instance_id);
    expect((await (await visit(id, "/")).json()).env).toMatchObject({ NEW: "1" });
    expect(await (await visit(id, "/log")).text()).toBe("kept");
    expect(machine(id)?.volumeId).toBe(volume);
  });

  it("lists by metadata, region and state, and changes metadata without a reboot", async () => {
    const { id } = await api.createMachine({ metadata: { sprite_home: "co_z1" } });
    await api.createMachine({ metadata: { sprite_home: "co_z2" } });
    await state(id, "started");
    const ids = async (query: string) =>
      (await api.get<FlyJson[]>(`/machines?${query}`)).json.map((found) => found.id);
    expect(await ids("metadata.sprite_home=co_z1&region=fra&state=started,stopped")).toEqual([id]);
    expect(await ids("metadata.sprite_home=co_z1&region=ams")).toEqual([]);
    await api.patch(`/machines/${id}/metadata`, { metadata: { cfg: "8" } });
    expect(await ids("metadata.cfg=8&metadata.sprite_home=co_z1")).toEqual([id]);
    expect(statesOf(id).filter((entered) => entered === "starting")).toHaveLength(1);
  });

  it("says why a Machine's program could not be started, and calls the Machine failed", async () => {
    const said: string[] = [];
    const log = { ...quiet, error: (fields: LogFields) => void said.push(String(fields.error)) };
    const broken = await startLocalFly({
      log,
      runner: processRunner(() => ({ file: "no-such-program", args: [] })),
    });
    onTestFinished(() => broken.end());
    const { id } = await flyApi(broken.host).createMachine();
    await until(() => broken.host.machines().find((found) => found.id === id)?.state === "failed");
    expect(said).toEqual([expect.stringContaining("no-such-program ENOENT")]);
  });

  it("does not start on a state that it cannot read, and leaves it as it is", async () => {
    const other = await startLocalFly();
    onTestFinished(() => other.end());
    await other.host.close();
    const file = join(other.dataDir, "fleet.json");
    writeFileSync(file, '{"version":2}');
    await expect(startLocalFly({}, other.dataDir)).rejects.toThrow(
      /fleet\.json is not a fleet this version can read/,
    );
    expect(readFileSync(file, "utf8")).toBe('{"version":2}');
  });

  it("shows each line that a Machine writes", async () => {
    const lines: string[] = [];
    const talking = await startLocalFly({
      runner: processRunner(tinySprite, (spec, line) => void lines.push(`${spec.name}: ${line}`)),
    });
    onTestFinished(() => talking.end());
    await flyApi(talking.host).createMachine({}, { name: "talker" });
    await until(() => lines.includes("talker: tiny-sprite boots"));
  });

  describe("a restart of the whole host", () => {
    it("finds its Machines stopped, with the same ids, and their disks as they were", async () => {
      const { id, volume } = await api.createMachine({}, { name: "kept" });
      await visit(id, "/append", { method: "POST", body: "before" });
      const pid = machine(id)?.pid ?? 0;
      fly = await fly.restart();
      expect(() => process.kill(pid, 0)).toThrow("ESRCH");
      expect(machine(id)).toMatchObject({ name: "kept", state: "stopped", volumeId: volume, region: "fra" });
      expect(await (await visit(id, "/log")).text()).toBe("before");
    });

    it("kills the process that a killed host left behind, and no other", async () => {
      const { id } = await api.createMachine();
      const stranger = await api.createMachine();
      await visit(id, "/");
      await visit(stranger.id, "/");
      // A copy of the state, as it is on disk while the Machines run, is what a killed host leaves.
      const file = join(fly.dataDir, "fleet.json");
      const left = await until(() => {
        const text = readFileSync(file, "utf8");
        return JSON.parse(text).machines.every((record: { pid?: number }) => record.pid) && text;
      });
      const records = JSON.parse(left);
      const [first, second] = records.machines;
      // The second process id has gone to somebody else by now.
      [first.pid, second.pid] = [machine(id)?.pid, process.pid];
      const copy = await startLocalFly();
      await copy.host.close();
      writeFileSync(join(copy.dataDir, "fleet.json"), JSON.stringify(records));
      const before = fly.changes.length;
      const next = await startLocalFly({}, copy.dataDir);
      onTestFinished(() => next.end());
      await until(() => fly.changes.length > before);
      expect(fly.changes.at(before)).toMatchObject({ id, exit: { signal: "SIGKILL" } });
      expect(next.host.machines().map((kept) => kept.state)).toEqual(["stopped", "stopped"]);
    });
  });
});
