import { describe, expect, it } from "vitest";
import { copyNameOf, copyNumberOf, volumeNameOf } from "../../edge/fleet/machines-config.ts";
import { findOrphans } from "../../edge/fleet/machines-orphans.ts";
import { spriteNameOf } from "../../shared/sprite-name.ts";
import { newHome } from "./local-fly.ts";
import { trapWorld } from "./trap-world.ts";

const NOW = Date.parse("2026-11-25T12:00:00Z");
const OLD = "2026-11-25T10:00:00Z";
const YOUNG = "2026-11-25T11:30:00Z";
const sprite = spriteNameOf(newHome());
const machine = (volume: string | undefined, more: object = {}) => ({
  id: "m1",
  name: sprite,
  state: "stopped",
  region: "fra",
  created_at: OLD,
  updated_at: OLD,
  config: { mounts: volume ? [{ volume }] : [] },
  ...more,
});
const volume = (id: string, more: object = {}) => ({
  id,
  name: volumeNameOf(sprite),
  state: "created",
  region: "fra",
  created_at: OLD,
  ...more,
});
const kinds = (machines: ReturnType<typeof machine>[], volumes: ReturnType<typeof volume>[]) =>
  findOrphans(machines, volumes, NOW).map(({ kind, id, deletable }) => `${kind} ${id} ${deletable}`);

describe("copies of a volume", () => {
  it("have names of their own that keep to Fly's characters and lengths, and are known by them", () => {
    for (const n of [0, 1, 42, 999]) {
      const name = copyNameOf(sprite, n);
      expect(name).toMatch(/^[a-z0-9_]{1,30}$/);
      expect(copyNumberOf(sprite, name)).toBe(n);
      expect(copyNumberOf(spriteNameOf(newHome()), name)).toBeUndefined();
    }
  });
});

describe("a left-over", () => {
  it("is a volume whose group's Machine mounts another one", () => {
    expect(kinds([machine("v1")], [volume("v1"), volume("v2")])).toEqual(["spare-volume v2 true"]);
    const copy = volume("v2", { name: copyNameOf(sprite, 1) });
    expect(kinds([machine("v2")], [volume("v1"), copy])).toEqual(["spare-volume v1 true"]);
  });

  it("is a Machine without a disk that exists", () => {
    expect(kinds([machine("v1")], [])).toEqual(["half-made-machine m1 true"]);
    expect(kinds([machine(undefined)], [])).toEqual(["half-made-machine m1 true"]);
    expect(kinds([machine("v1")], [volume("v1", { state: "pending_destroy" })])).toEqual([
      "half-made-machine m1 true",
    ]);
  });

  it("is a volume without a Machine, which is kept: the next write comes back on it", () => {
    expect(kinds([], [volume("v1")])).toEqual(["lone-volume v1 false"]);
  });

  it("is a Machine that has been between two states for long, which is kept", () => {
    const stuck = machine("v1", { state: "replacing" });
    expect(kinds([stuck], [volume("v1")])).toEqual(["stuck-machine m1 false"]);
  });

  it("is nothing that may be in the making, by an `ensure` or a move", () => {
    expect(kinds([machine("v1", { created_at: YOUNG })], [])).toEqual([]);
    expect(kinds([machine("v1")], [volume("v1"), volume("v2", { created_at: YOUNG })])).toEqual([]);
    // The Machine stands on a young copy: its mover may yet go back to the original.
    const copy = volume("v2", { name: copyNameOf(sprite, 1), created_at: YOUNG });
    expect(kinds([machine("v2")], [volume("v1"), copy])).toEqual([]);
  });

  it("is nothing of which nobody knows what it belongs to: an unreachable host, an attached volume, others' things", () => {
    const hidden = machine(undefined, { config: undefined, host_status: "unreachable" });
    expect(kinds([hidden], [volume("v1", { attached_machine_id: "m1" })])).toEqual([]);
    expect(kinds([hidden], [volume("v1")])).toEqual([]);
    expect(kinds([machine("v9", { name: "web" })], [volume("v1", { name: "pg_data" })])).toEqual([]);
  });
});

describe("the Machines fleet", { timeout: 30_000 }, () => {
  const t = trapWorld();

  it("mounts the original rather than a copy that a mover left, and no disk that it is told not to", async () => {
    const original = await t.createVolume();
    const body = {
      name: copyNameOf(spriteNameOf(t.home), 1),
      region: "ams",
      size_gb: 1,
      source_volume_id: original,
    };
    const copy = (await t.api.post("/volumes", body)).json.id;
    const first = await t.fleet.ensure(t.spec());
    expect(t.machines()[0]?.volumeId).toBe(original);
    const moved = await t.fleet.ensure({ ...t.spec(), without: [original] });
    expect(moved.id).not.toBe(first.id);
    expect(t.machines().map(({ volumeId, region }) => [volumeId, region])).toEqual([[copy, "ams"]]);
  });
});
