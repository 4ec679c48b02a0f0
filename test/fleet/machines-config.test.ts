import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { flyAuthorization } from "../../edge/fleet/fly-token.ts";
import { machineRequest, volumeNameOf } from "../../edge/fleet/machines-config.ts";
import { MACHINES_LIMITS } from "../../edge/fleet/machines-limits.ts";
import { isVolumeAlive, spriteStateOf, wakeStepOf } from "../../edge/fleet/machines-states.ts";
import { type GroupId, idFromHash } from "../../shared/ids.ts";
import { LIMITS } from "../../shared/limits.ts";
import { spriteNameOf } from "../../shared/sprite-name.ts";
import { newHome } from "./local-fly.ts";

describe("names", () => {
  const hash = fc.uint8Array({ minLength: 19, maxLength: 19 });

  it("of Machines and volumes keep to Fly's characters and lengths, whatever the home", () => {
    fc.assert(
      fc.property(hash, (bytes) => {
        const sprite = spriteNameOf(idFromHash(bytes) as GroupId);
        expect(sprite).toMatch(/^[a-z][a-z0-9-]{0,62}$/);
        expect(volumeNameOf(sprite)).toMatch(/^[a-z0-9_]{1,30}$/);
      }),
    );
  });

  it("of volumes differ as soon as homes differ in one of their first 17 bytes", () => {
    fc.assert(
      fc.property(hash, fc.nat(16), fc.integer({ min: 1, max: 255 }), (bytes, at, by) => {
        const other = bytes.map((byte, i) => (i === at ? byte ^ by : byte));
        const names = [bytes, other].map((home) => volumeNameOf(spriteNameOf(idFromHash(home) as GroupId)));
        expect(names[0]).not.toBe(names[1]);
      }),
    );
  });
});

describe("a token", () => {
  it.each([
    ["FlyV1 fm2_aaa,fm2_bbb", "FlyV1 fm2_aaa,fm2_bbb"],
    ["fm2_aaa,fm1r_bbb,fm1a_ccc", "FlyV1 fm2_aaa,fm1r_bbb,fm1a_ccc"],
    ["Bearer fm1r_aaa", "FlyV1 fm1r_aaa"],
    [" FlyV1 fm1a_aaa\n", "FlyV1 fm1a_aaa"],
    ["oauth-token", "Bearer oauth-token"],
    ["Bearer oauth-token", "Bearer oauth-token"],
  ])("%j is sent as %j", (token, header) => {
    expect(flyAuthorization(token)).toBe(header);
  });
});

describe("a Machine's request", () => {
  const shape = {
    image: "i",
    guest: { cpu_kind: "shared", cpus: 1, memory_mb: 512 },
    volumeSizeGb: 1,
  } as const;
  const home = newHome();
  const input = { sprite: spriteNameOf(home), home, volumeId: "vol_1", region: "fra" };

  it("lets the Sprite exit to sleep, and fly-proxy start it but never stop it", () => {
    const { config } = machineRequest({ ...input, env: { A: "1" } }, shape);
    expect(config.restart.policy).toBe("on-failure");
    expect(config.services[0]).toMatchObject({ autostart: true, autostop: "off" });
    expect(config).not.toHaveProperty("auto_destroy");
    expect(config).toMatchObject({ env: { A: "1", PORT: "8080" }, metadata: { sprite_home: home } });
  });

  it("gives a Sprite longer to stop than its ordered shutdown takes", () => {
    const { config } = machineRequest({ ...input, env: {} }, shape);
    expect(Number.parseInt(config.stop_config.timeout, 10) * 1000).toBeGreaterThan(LIMITS.shutdownMs);
  });

  it("refuses environment that is Fly's", () => {
    expect(() => machineRequest({ ...input, env: { FLY_REGION: "fra" } }, shape)).toThrow(/FLY_REGION/);
  });
});

describe("states", () => {
  it("that Fly adds one day are `moving`, and are read again", () => {
    for (const state of ["hibernating", "", undefined, null]) {
      expect([spriteStateOf(state), wakeStepOf(state)]).toEqual(["moving", "read-again"]);
    }
  });

  it("that lead to a running Machine never lead to another one being made", () => {
    const gone = ["destroyed", "replaced", "migrated"];
    for (const state of gone) expect([spriteStateOf(state), wakeStepOf(state)]).toEqual(["gone", "gone"]);
    for (const state of ["replacing", "updating", "failed", "launch_failed", "destroying", "stopping"]) {
      expect(spriteStateOf(state)).not.toBe("gone");
      expect(wakeStepOf(state)).not.toBe("gone");
    }
  });

  it("of a volume that is about to go count as gone", () => {
    expect(["created", "hydrating", undefined].map(isVolumeAlive)).toEqual([true, true, true]);
    expect(["pending_destroy", "scheduling_destroy", "destroyed"].map(isVolumeAlive)).toEqual([
      false,
      false,
      false,
    ]);
  });
});

describe("time limits", () => {
  it("keep their order", () => {
    const wait = MACHINES_LIMITS.waitSliceSeconds * 1000 + MACHINES_LIMITS.waitGraceMs;
    expect(MACHINES_LIMITS.waitSliceSeconds).toBeLessThanOrEqual(60);
    expect(MACHINES_LIMITS.wakeMs + wait).toBeLessThan(LIMITS.locateTimeoutMs);
    expect(MACHINES_LIMITS.createMs).toBeLessThan(LIMITS.locateTimeoutMs);
  });
});
