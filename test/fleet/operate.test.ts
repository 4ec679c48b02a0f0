import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { volumeNameOf } from "../../edge/fleet/machines-config.ts";
import { spriteNameOf } from "../../shared/sprite-name.ts";
import { flyApi } from "./fly-api.ts";
import { type LocalFly, newHome, startLocalFly } from "./local-fly.ts";
import { PASS_KEYS, startLocalSprites } from "./local-sprites.ts";

const run = promisify(execFile);
const node = fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url));
const cli = fileURLToPath(new URL("../../ops/fleet/main.ts", import.meta.url));

describe("npm run fleet", { timeout: 120_000 }, () => {
  let fly: LocalFly;
  beforeAll(async () => {
    fly = await startLocalFly();
  });
  afterAll(() => fly.end());

  /** Settings come from wrangler.toml, but for what the environment says. */
  const fleet = (...args: string[]) => {
    const { apiUrl, appUrl, appName, token } = fly.host;
    const env = { FLY_API_URL: apiUrl, FLY_APP_URL: appUrl, FLY_APP_NAME: appName, FLY_API_TOKEN: token };
    const secrets = { PASS_KEYS: "a-key-of-at-least-thirty-two-characters", FLY_PACE: "none" };
    return run(node, [cli, ...args], { env: { PATH: process.env.PATH ?? "", ...env, ...secrets } });
  };

  it("lists Sprites and left-overs, and removes nothing unless it is told to", async () => {
    const home = newHome();
    const sprite = await fly.fleet().ensure({ home, regions: [] });
    const lone = { name: volumeNameOf(spriteNameOf(newHome())), region: "fra", size_gb: 1 };
    const volume = (await flyApi(fly.host).post("/volumes", lone)).json.id;
    const [listed, left, asked] = await Promise.all([
      fleet("list", "--json"),
      fleet("orphans", "--delete", "--json"),
      fleet("destroy", home),
    ]);
    expect(JSON.parse(listed.stdout)).toMatchObject([{ home, id: sprite.id, region: sprite.region }]);
    expect(JSON.parse(left.stdout)).toMatchObject([{ kind: "lone-volume", id: volume, deleted: false }]);
    expect(asked.stdout).toContain(`would remove Machine ${sprite.id}`);
    expect(fly.host.machines()).toHaveLength(1);
    expect(fly.host.volumes()).toHaveLength(2);
    await fleet("destroy", sprite.name, "--yes");
    expect(fly.host.machines()).toEqual([]);
    expect(fly.host.volumes().map(({ id }) => id)).toEqual([volume]);
  });

  it("says what is missing, and never a secret", async () => {
    const wrong = run(node, [cli, "list"], { env: { PATH: process.env.PATH ?? "", PASS_KEYS: "too-short" } });
    await expect(wrong).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/FLY_API_TOKEN(?!.*too-short)/s),
    });
    await expect(fleet("destroy")).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining("argument is missing"),
    });
    await expect(fleet("dance")).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining("no command 'dance'"),
    });
    expect((await fleet("destroy", "--help")).stdout).toContain("destroy <group>");
  });
});

describe("npm run fleet on Fly Sprites", { timeout: 120_000 }, () => {
  it("lists and destroys, and says what is for Fly Machines only", async () => {
    const sprites = await startLocalSprites();
    onTestFinished(() => sprites.end());
    const env = {
      PATH: process.env.PATH ?? "",
      FLEET: "sprites",
      SPRITES_API_URL: sprites.host.apiUrl,
      SPRITES_API_TOKEN: sprites.host.token,
      // As wrangler.toml has it: what it stands for only `npm run deploy:edge` knows.
      SPRITE_RELEASE: "auto",
      PASS_KEYS,
    };
    const fleet = (...args: string[]) => run(node, [cli, ...args], { env });
    const home = newHome();
    const { id } = await sprites.fleet().ensure({ home, regions: [] });
    const [listed, asked] = await Promise.all([fleet("list", "--json"), fleet("destroy", home)]);
    expect(JSON.parse(listed.stdout)).toMatchObject([{ home, id }]);
    expect(asked.stdout).toContain(`would remove Sprite ${id}`);
    expect(sprites.host.sprites()).toHaveLength(1);
    for (const args of [["orphans"], ["move", home, "nrt"]])
      await expect(fleet(...args)).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringContaining("Fly Sprites have neither volumes nor regions of ours"),
      });
    await fleet("destroy", spriteNameOf(home), "--yes");
    expect(sprites.host.sprites()).toEqual([]);
  });
});
