import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { Refusal } from "../refusal.ts";
import { onlyParams, parse, type SpritesAnswer, type SpritesCall, type SpritesHandler } from "./call.ts";
import { exec } from "./exec.ts";
import type { LocalSprite } from "./local-sprite.ts";
import { createSpriteSchema, GUEST_HOME, updateSpriteSchema } from "./model.ts";
import type { SpritesRegistry } from "./registry.ts";
import { serviceHandlers } from "./service-handlers.ts";

/** The API's own maximum for a page. */
const PAGE = 50;

/** The operations of the Sprites API that the local host has, by our names for them. */
export function spritesHandlers(
  registry: SpritesRegistry,
  watchScale: number,
): Record<string, SpritesHandler> {
  const named = (call: SpritesCall) => registry.sprite(call.machineId ?? "");
  const working = async <T>(
    call: SpritesCall,
    doing: (sprite: LocalSprite) => Promise<T> | T,
  ): Promise<T> => {
    const sprite = named(call);
    const end = await sprite.work();
    try {
      return await doing(sprite);
    } finally {
      end();
    }
  };
  return {
    createSprite: async ({ body }) => ({
      status: 201,
      body: registry.show(await registry.create(parse(createSpriteSchema, body))),
    }),
    getSprite: (call) => ({ status: 200, body: registry.show(named(call)) }),
    listSprites: ({ params }) => ({ status: 200, body: page(registry, params) }),
    updateSprite: (call) => {
      const { state } = named(call);
      const { url_settings, labels } = parse(updateSpriteSchema, call.body);
      state.auth = url_settings?.auth ?? state.auth;
      state.labels = labels ?? state.labels;
      return { status: 200, body: registry.show(named(call)) };
    },
    deleteSprite: async (call) => {
      await registry.remove(named(call));
      return { status: 204 };
    },
    checkSprite: (call) => {
      const { id, name } = named(call).state;
      return { status: 200, body: { sprite_name: name, sprite_id: id, status: "ok", elapsed: 1 } };
    },
    restartSprite: async (call) => {
      const sprite = named(call);
      await sprite.pause("cold");
      return {
        status: 200,
        body: { sprite_name: sprite.name, machine_id: sprite.state.id, message: "restarted" },
      };
    },
    writeFile: (call) => working(call, (sprite) => write(sprite, call)),
    exec: (call) =>
      working(call, async (sprite) => {
        onlyParams(call, ["cmd", "dir"]);
        const dir = guestPath(call.params.get("dir") ?? GUEST_HOME);
        await mkdir(sprite.toLocal(dir), { recursive: true });
        const body = await exec(call.params.getAll("cmd"), sprite.toLocal(dir));
        return { status: 200, body, headers: { "content-type": "application/octet-stream" } };
      }),
    ...serviceHandlers(named, watchScale),
  };
}

async function write(sprite: LocalSprite, call: SpritesCall): Promise<SpritesAnswer> {
  onlyParams(call, ["path", "workingDir", "mode", "mkdir", "mkdirParents"]);
  const { params, raw } = call;
  const path = guestPath(params.get("path") ?? "");
  if (!params.has("workingDir"))
    throw new Refusal(400, "workingDir is required", { body: { code: "EINVAL", path } });
  const local = sprite.toLocal(path);
  if (params.get("mkdir") === "true") await mkdir(dirname(local), { recursive: true });
  await writeFile(local, raw);
  const mode = params.get("mode") ?? "0644";
  await chmod(local, Number.parseInt(mode, 8));
  return { status: 200, body: { path, size: raw.length, mode } };
}

function page(registry: SpritesRegistry, params: URLSearchParams): object {
  const max = Number(params.get("max_results") ?? PAGE);
  if (!(max >= 1 && max <= PAGE)) throw new Refusal(400, `max_results must be 1 to ${PAGE}`);
  const after = params.get("continuation_token") ?? "";
  const all = registry
    .sprites()
    .filter(({ name }) => name.startsWith(params.get("prefix") ?? "") && name > after)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const shown = all.slice(0, max);
  const last = shown.at(-1);
  return {
    // Thin, as the documentation's example: no id, no address.
    sprites: shown.map(({ name, status, state }) => ({
      name,
      org_slug: "local",
      status,
      updated_at: state.updated_at,
      ...(state.last_running_at && { last_running_at: state.last_running_at }),
    })),
    has_more: all.length > max,
    ...(all.length > max && last && { next_continuation_token: last.name }),
    ...registry.counts(),
  };
}

/** @throws Refusal 400 for a path that does not exist on this computer. */
function guestPath(path: string): string {
  if (path.split("/").includes("..") || !`${path}/`.startsWith(`${GUEST_HOME}/`))
    throw new Refusal(400, `the local host has only ${GUEST_HOME}`, { body: { code: "EACCES", path } });
  return path;
}
