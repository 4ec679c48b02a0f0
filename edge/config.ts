import { z } from "zod";
import { SpriteSyncError } from "../shared/errors.ts";
import { LIMITS } from "../shared/limits.ts";
import { parsePassKeys } from "../shared/pass.ts";
import { PLACEMENT_POLICIES } from "../shared/placement.ts";
import { CLIENT_AUTHS, type ClientAuth, parseClientAuth } from "./client-auth.ts";
import { CAPS, type Cap, type CapLimits } from "./creation-caps.ts";
import type { LogOptions } from "./log.ts";

const url = z.url({ protocol: /^https?$/ }).transform((text) => text.replace(/\/+$/, ""));
const list = z.string().transform((text) => text.split(/[\s,]+/).filter(Boolean));

/** @returns the caps that a text such as `hour=10,total=0` names, or `undefined` when it is none. */
function readCaps(text: string): Partial<CapLimits> | undefined {
  const caps: Partial<Record<Cap, number>> = {};
  for (const part of text.split(/[\s,]+/).filter(Boolean)) {
    const [name, count = ""] = part.split("=", 2);
    const cap = CAPS.find((known) => known === name);
    if (!cap || !/^\d{1,9}$/.test(count)) return undefined;
    caps[cap] = Number(count);
  }
  return caps;
}

/** Whatever the Sprites run on. */
const common = {
  PLACEMENT: z.enum(PLACEMENT_POLICIES).default("root"),
  /** Secrets shared with the Sprites; see `parsePassKeys`. */
  PASS_KEYS: z.string().transform((text, context) => {
    try {
      return parsePassKeys(text);
    } catch (error) {
      context.addIssue({ code: "custom", message: error instanceof Error ? error.message : String(error) });
      return z.NEVER;
    }
  }),
  SPRITE_SLEEP_AFTER: z.coerce.number().min(0).default(LIMITS.sleepAfterSeconds),
  /** How a Sprite sleeps, see docs/operating.md. Fly Sprites are paused by their platform, whatever this says. */
  SPRITE_SLEEP: z.enum(["exit", "suspend", "auto"]).default("exit"),
  SPRITE_DURABILITY: z.enum(["flush", "fsync"]),
  /** How many of the Sprites with another image, or release, get the present one at their next wake, percent. */
  SPRITE_UPGRADE_PERCENT: z.coerce.number().min(0).max(100).default(100),
  /** Where Sprites back themselves up: `s3://bucket/prefix`, or an absolute directory; not at all when it is empty. */
  SPRITE_BACKUP: z
    .string()
    .regex(/^(s3:\/\/[^/]|\/|$)/, "must be s3://bucket/prefix or an absolute directory")
    .optional(),
  /** What authors without a role may store in one Sprite: KiB, and values that they create. */
  SPRITE_STRANGER_KB: z.coerce.number().int().min(0).max(1_048_576).default(LIMITS.strangerKb),
  SPRITE_STRANGER_VALUES: z.coerce.number().int().min(0).max(1_000_000).default(LIMITS.strangerValues),
  /** What the store of one Sprite may take of its disk, MiB; 0: all of it. */
  SPRITE_MEMBER_MB: z.coerce.number().int().min(0).max(999_999_999).optional(),
  /** The address under which Sprites reach this edge, `wss://…/sync`, to follow parent groups in other homes. */
  SYNC_URL: z.url({ protocol: /^wss?$/ }),
  /** Whom the edge lets in, and the secrets by which it knows them; see `parseClientAuth`. */
  CLIENT_AUTH: z.enum(CLIENT_AUTHS).default("open"),
  CLIENT_KEYS: z.string().optional(),
  /** Caps on new Sprites, as `name=count` with commas between; see `readCaps`. */
  SPRITE_CAPS: z
    .string()
    .default("")
    .transform((text, context) => {
      const caps = readCaps(text);
      if (caps) return caps;
      const message = `must be a list such as client-hour=120,total=10000; the names are ${CAPS.join(", ")}`;
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    }),
  LOG_LEVEL: z.enum(["debug", "info", "warn", "error"]).default("info"),
  LOG_FORMAT: z.enum(["object", "json"]).default("object"),
};

/** Sprites as Fly Machines. */
const machines = z.object({
  ...common,
  FLEET: z.literal("machines"),
  /** What answers Fly's Machines API: `https://api.machines.dev`, or a local fleet host. */
  FLY_API_URL: url,
  /** The app's public origin, behind which fly-proxy finds a Machine: `https://<app>.fly.dev`. */
  FLY_APP_URL: url,
  FLY_APP_NAME: z.string().min(1),
  FLY_API_TOKEN: z.string().min(1),
  /** `fly`: keep below Fly's rate limits, which count for the whole app. `none`: for a local host, which has none. */
  FLY_PACE: z.enum(["fly", "none"]).default("fly"),
  /** The Sprite's image, best by digest. */
  SPRITE_IMAGE: z.string().min(1),
  /** Regions that Sprites may live in, in order of preference. */
  SPRITE_REGIONS: list.pipe(z.array(z.string()).min(1)),
  SPRITE_MEMORY_MB: z.coerce.number().int().multipleOf(256).min(256).default(256),
  SPRITE_VOLUME_GB: z.coerce.number().int().min(1).max(500).default(1),
});

/** Sprites as Fly Sprites. */
const sprites = z.object({
  ...common,
  FLEET: z.literal("sprites"),
  /** What answers the Sprites API: `https://api.sprites.dev`, or a local host. */
  SPRITES_API_URL: url.default("https://api.sprites.dev"),
  SPRITES_API_TOKEN: z.string().min(1),
  /** Address of the server's release, or its path among the edge's own assets (`/…`); see `parseRelease`. */
  SPRITE_RELEASE: z.string().min(1),
});

const fleets = z.discriminatedUnion("FLEET", [machines, sprites], {
  error: 'FLEET must be "machines" or "sprites"',
});

const schema = fleets.transform((values, context) => {
  try {
    return { ...values, clientAuth: parseClientAuth(values.CLIENT_AUTH, values.CLIENT_KEYS) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    context.addIssue({ code: "custom", path: ["CLIENT_AUTH"], message });
    return z.NEVER;
  }
});

/** The names of all settings, for the documentation's test. */
export const EDGE_SETTINGS: readonly string[] = [
  ...new Set([...Object.keys(machines.shape), ...Object.keys(sprites.shape)]),
];

/** How many new Sprites each cap allows. */
export function capLimits({ SPRITE_CAPS }: Pick<EdgeConfig, "SPRITE_CAPS">): CapLimits {
  return { ...LIMITS.spriteCaps, ...SPRITE_CAPS };
}

/** How the configuration wants things logged, for `workersLog`. */
export function logOptions(config: EdgeConfig): LogOptions {
  return { least: config.LOG_LEVEL, format: config.LOG_FORMAT };
}

/** The variables as they are named, and what several of them mean together. */
export type EdgeConfig = Readonly<z.infer<typeof fleets> & { clientAuth: ClientAuth }>;

const parsed = new WeakMap<object, EdgeConfig>();

/**
 * The edge's configuration, from the Worker's variables and secrets; parsed once for each isolate.
 * @throws SpriteSyncError `config-invalid`, naming every mistake.
 */
export function parseConfig(env: object): EdgeConfig {
  const known = parsed.get(env);
  if (known) return known;
  const result = schema.safeParse({ FLEET: "machines", ...env });
  if (!result.success) {
    const mistakes = result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new SpriteSyncError(
      "config-invalid",
      `the edge's configuration is wrong:\n  ${mistakes.join("\n  ")}`,
    );
  }
  const config = Object.freeze(result.data);
  parsed.set(env, config);
  return config;
}
