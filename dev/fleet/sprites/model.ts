import { z } from "zod";

/** What the local host takes of the Sprites API's bodies (facts/fly-sprites §1, §3). Strict: a typing error is refused. */
export const createSpriteSchema = z.strictObject({
  // The documented rule is none; this one is what surely fits the URL's DNS label.
  name: z.string().regex(/^[a-z][a-z0-9-]{0,38}[a-z0-9]$/),
  url_settings: z.strictObject({ auth: z.enum(["sprite", "public"]) }).optional(),
  wait_for_capacity: z.boolean().optional(),
  labels: z.array(z.string()).optional(),
});

export const updateSpriteSchema = z.strictObject({
  url_settings: z.strictObject({ auth: z.enum(["sprite", "public"]) }).optional(),
  labels: z.array(z.string()).optional(),
});

/** `httpPort` is refused here; the platform ignores it, and then leads the URL to port 8080. */
export const serviceSchema = z.strictObject({
  cmd: z.string().regex(/^\S+$/, "the binary alone; arguments go into args"),
  args: z.array(z.string()).optional(),
  dir: z.string().startsWith("/").optional(),
  env: z.record(z.string(), z.string()).optional(),
  needs: z.array(z.string()).optional(),
  http_port: z.number().int().min(1).max(65_535).optional(),
});
export type ServiceDefinition = z.infer<typeof serviceSchema>;

export const spriteRecordSchema = z.object({
  id: z.string(),
  name: z.string(),
  auth: z.enum(["sprite", "public"]),
  labels: z.array(z.string()),
  created_at: z.string(),
  updated_at: z.string(),
  last_running_at: z.string().optional(),
  services: z.array(
    z.object({
      name: z.string(),
      definition: serviceSchema,
      /** Stopped by request: it stays so over pauses. */
      stopped: z.boolean(),
      /** Process that runs it, for the host that finds it left over by a killed one. */
      pid: z.number().optional(),
    }),
  ),
});
export type SpriteState = z.infer<typeof spriteRecordSchema>;
export type ServiceState = SpriteState["services"][number];

/** All that the platform says about what a Sprite is doing. */
export type SpriteStatus = "cold" | "warm" | "running";

/** Where the home directory of the user `sprite` is inside a Sprite: the only part of its disk that exists here. */
export const GUEST_HOME = "/home/sprite";
