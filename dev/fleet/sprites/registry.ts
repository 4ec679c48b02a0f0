import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import type { z } from "zod";
import { Refusal } from "../refusal.ts";
import type { LocalSprite } from "./local-sprite.ts";
import type { createSpriteSchema, SpriteState } from "./model.ts";

/** What the organization's plan allows; tests change it while the host runs. */
export interface Plan {
  running: number;
  warm: number;
  /** Sprites that may be created within a minute. */
  creationsPerMinute: number;
}

export interface RegistryDeps {
  readonly plan: Plan;
  /** Public origin of a Sprite. */
  readonly urlOf: (name: string) => string;
  readonly make: (state: SpriteState) => LocalSprite;
  readonly rootOf: (id: string) => string;
  /** What a name that is taken is answered with: the documentation says 400, others saw 409. */
  readonly duplicateStatus: () => 400 | 409;
  readonly save: () => Promise<void>;
  readonly removed: (sprite: LocalSprite) => void;
}

const WINDOW_SECONDS = 60;

/** The organization's Sprites and its limits. */
export class SpritesRegistry {
  readonly #deps: RegistryDeps;
  readonly #sprites = new Map<string, LocalSprite>();
  #created: number[] = [];

  constructor(deps: RegistryDeps, earlier: readonly SpriteState[]) {
    this.#deps = deps;
    for (const state of earlier) this.#sprites.set(state.name, deps.make(state));
  }

  sprites(): LocalSprite[] {
    return [...this.#sprites.values()];
  }

  find(name: string): LocalSprite | undefined {
    return this.#sprites.get(name);
  }

  /** @throws Refusal 404 */
  sprite(name: string): LocalSprite {
    const sprite = this.#sprites.get(name);
    if (!sprite) throw new Refusal(404, "sprite not found");
    return sprite;
  }

  /** @throws Refusal 429 when as many run as the plan allows. A Sprite that is about to run counts. */
  takeSlot(wants: LocalSprite): void {
    const { running: limit } = this.#deps.plan;
    const running = this.sprites().filter((sprite) => sprite !== wants && sprite.status === "running").length;
    if (running < limit) return;
    throw new Refusal(429, "concurrent_sprite_limit_exceeded", {
      body: {
        message: `your plan allows ${limit} running sprites`,
        limit,
        current_count: running,
        upgrade_available: true,
      },
    });
  }

  async create(request: z.infer<typeof createSpriteSchema>): Promise<LocalSprite> {
    if (this.#sprites.has(request.name))
      throw new Refusal(this.#deps.duplicateStatus(), `sprite "${request.name}" already exists`);
    this.#countCreation();
    const now = new Date().toISOString();
    const sprite = this.#deps.make({
      id: `sprite-${randomUUID()}`,
      name: request.name,
      auth: request.url_settings?.auth ?? "sprite",
      labels: request.labels ?? [],
      created_at: now,
      updated_at: now,
      services: [],
    });
    this.#sprites.set(request.name, sprite);
    await this.#deps.save();
    return sprite;
  }

  async remove(sprite: LocalSprite): Promise<void> {
    this.#sprites.delete(sprite.name);
    await sprite.pause("cold");
    await sprite.shutdown(0);
    await rm(this.#deps.rootOf(sprite.state.id), { recursive: true, force: true });
    await this.#deps.save();
    this.#deps.removed(sprite);
  }

  /** Keeps as many warm as the plan allows: those that have been so for longest go cold. */
  limitWarm(): void {
    const warm = this.sprites()
      .filter(({ status }) => status === "warm")
      .sort((a, b) => (a.state.updated_at < b.state.updated_at ? -1 : 1));
    for (const sprite of warm.slice(0, Math.max(0, warm.length - this.#deps.plan.warm)))
      void sprite.pause("cold");
  }

  counts(): object {
    const count = (wanted: string) => this.sprites().filter(({ status }) => status === wanted).length;
    const { running, warm } = this.#deps.plan;
    const counts = { running: count("running"), warm: count("warm"), cold: count("cold") };
    return { ...counts, running_limit: running, warm_limit: warm };
  }

  /** A Sprite as the API shows it. */
  show({ state, status }: LocalSprite): object {
    const { id, name, auth, labels, created_at, updated_at, last_running_at } = state;
    return {
      id,
      name,
      organization: "local",
      status,
      url: this.#deps.urlOf(name),
      url_settings: { auth, private_access: "admins" },
      labels,
      primary_region: "lcl",
      created_at,
      updated_at,
      ...(last_running_at && { last_running_at }),
    };
  }

  #countCreation(): void {
    const now = Date.now();
    const limit = this.#deps.plan.creationsPerMinute;
    this.#created = this.#created.filter((then) => now - then < WINDOW_SECONDS * 1_000);
    if (this.#created.length < limit) return void this.#created.push(now);
    const oldest = this.#created[0] ?? now;
    const seconds = Math.ceil(WINDOW_SECONDS - (now - oldest) / 1_000);
    throw new Refusal(429, "sprite_creation_rate_limited", {
      body: {
        message: "too many sprites created",
        limit,
        window_seconds: WINDOW_SECONDS,
        retry_after_seconds: seconds,
        current_count: this.#created.length,
      },
      headers: { "retry-after": String(seconds) },
    });
  }
}
