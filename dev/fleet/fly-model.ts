import { z } from "zod";

/**
 * What the local host keeps of Fly's objects, in the API's own spelling. The schemas are loose: a field that the host does
 * not act on is kept and given back, as Fly does.
 */
const guestSchema = z.looseObject({
  cpu_kind: z.string().optional(),
  cpus: z.number().int().min(1).optional(),
  memory_mb: z.number().int().multipleOf(256).optional(),
});

export const machineConfigSchema = z.looseObject({
  image: z.string().min(1),
  guest: guestSchema.optional(),
  env: z
    .record(z.string(), z.string())
    .refine(
      (env) => !Object.keys(env).some((key) => key.startsWith("FLY_")),
      "env keys must not start with FLY_",
    )
    .optional(),
  mounts: z
    .array(z.looseObject({ volume: z.string(), path: z.string() }))
    .max(1)
    .optional(),
  services: z
    .array(z.looseObject({ internal_port: z.number().int(), autostart: z.boolean().optional() }))
    .optional(),
  restart: z
    .looseObject({
      policy: z.enum(["no", "always", "on-failure"]).optional(),
      max_retries: z.number().int().optional(),
    })
    .optional(),
  stop_config: z.looseObject({ signal: z.string().optional(), timeout: z.string().optional() }).optional(),
  metadata: z.record(z.string(), z.string()).optional(),
});
export type MachineConfig = z.infer<typeof machineConfigSchema>;

/** The states a local Machine can be in (facts/fly-machines §1.8 has some more, of updates and lost hosts). */
export const machineStateSchema = z.enum([
  "created",
  "starting",
  "started",
  "stopping",
  "stopped",
  "suspending",
  "suspended",
  "restarting",
  "failed",
  "destroying",
  "destroyed",
]);
export type MachineState = z.infer<typeof machineStateSchema>;

export const machineEventSchema = z.object({
  id: z.string(),
  type: z.string(),
  status: z.string(),
  source: z.string(),
  /** Milliseconds since the epoch. */
  timestamp: z.number(),
  request: z.record(z.string(), z.unknown()).optional(),
});
export type MachineEvent = z.infer<typeof machineEventSchema>;

export const machineRecordSchema = z.object({
  id: z.string(),
  name: z.string(),
  region: z.string(),
  state: machineStateSchema,
  instance_id: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  config: machineConfigSchema,
  events: z.array(machineEventSchema),
  /** Process that runs it, for the host that finds it left over by a killed one. */
  pid: z.number().optional(),
});
export type MachineRecord = z.infer<typeof machineRecordSchema>;

export const volumeRecordSchema = z.object({
  id: z.string(),
  name: z.string(),
  region: z.string(),
  size_gb: z.number(),
  encrypted: z.boolean(),
  created_at: z.string(),
});
export type VolumeRecord = z.infer<typeof volumeRecordSchema>;

/** Body of `POST …/machines`. */
export const createMachineSchema = z.looseObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,63}$/, "name has characters or a length that Fly refuses")
    .optional(),
  region: z.string().min(1).optional(),
  skip_launch: z.boolean().optional(),
  config: machineConfigSchema,
});

/** Body of `POST …/volumes`: a concrete region, aliases are refused (facts/fly-machines §1.3). */
export const createVolumeSchema = z.looseObject({
  name: z.string().regex(/^[a-z0-9_]{1,30}$/, "name must be at most 30 characters of a-z, 0-9 and _"),
  region: z.string().regex(/^[a-z]{3}$/, "region must be a region's code"),
  source_volume_id: z.string().optional(),
  size_gb: z.number().int().min(1).max(500).default(3),
  encrypted: z.boolean().default(true),
});
