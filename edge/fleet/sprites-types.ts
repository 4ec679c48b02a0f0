import { z } from "zod";
import type { SpriteState } from "./fleet.ts";

/** What we read of the Sprites API's answers. All but id, name and address may be missing (facts/fly-sprites §1). */
export const flySpriteSchema = z.object({
  id: z.string().min(1),
  name: z.string().min(1),
  url: z.string().min(1),
  status: z.string().nullish(),
  primary_region: z.string().nullish(),
  url_settings: z.object({ auth: z.string().nullish() }).nullish(),
});
export type FlySprite = z.infer<typeof flySpriteSchema>;

/** An item of a list: thin, often without id and address. */
export const listedSpriteSchema = z.object({
  name: z.string(),
  status: z.string().nullish(),
  updated_at: z.string().nullish(),
  last_running_at: z.string().nullish(),
});
export type ListedSprite = z.infer<typeof listedSpriteSchema>;

const count = z.number().nullish();
const countsSchema = z.object({ running: count, running_limit: count });

/** A page of a list. Clients of Fly read the counts at two places: so do we. */
export const spritePageSchema = countsSchema.extend({
  sprites: z.array(listedSpriteSchema),
  has_more: z.boolean().nullish(),
  next_continuation_token: z.string().nullish(),
  org: countsSchema.nullish(),
});

export const serviceSchema = z.object({
  args: z.array(z.string()).nullish(),
  env: z.record(z.string(), z.string()).nullish(),
  state: z.object({ status: z.string().nullish(), error: z.string().nullish() }).nullish(),
});
export type FlyService = z.infer<typeof serviceSchema>;

/** A line of the answers about services. Lines that we do not know are no news. */
export const serviceEventSchema = z.object({
  type: z.string(),
  exit_code: z.number().nullish(),
  data: z.string().nullish(),
});

const STATES: Readonly<Record<string, SpriteState>> = { running: "running", warm: "asleep", cold: "asleep" };

/** A Sprite's status in the words of the contract; whatever the platform adds one day is `moving`. */
export function stateOfStatus(status: string | null | undefined): SpriteState {
  return STATES[status ?? ""] ?? "moving";
}
