import { z } from "zod";
import { IMAGE_METADATA } from "./machines-config.ts";

/**
 * What we read of the Machines API's answers. Everything but the id may be missing: an unreachable host leaves `config`
 * out, lists may be thin, and fields come and go between versions of the API (facts/fly-machines §1.5).
 */
const configSchema = z.looseObject({
  image: z.string().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  mounts: z.array(z.looseObject({ volume: z.string().nullish() })).nullish(),
});

export const machineSchema = z.object({
  id: z.string().min(1),
  name: z.string().nullish(),
  state: z.string().nullish(),
  region: z.string().nullish(),
  created_at: z.string().nullish(),
  updated_at: z.string().nullish(),
  /** The name of `version` before 2026; some answers carry only one of both. */
  instance_id: z.string().nullish(),
  version: z.string().nullish(),
  host_status: z.string().nullish(),
  config: configSchema.nullish(),
  incomplete_config: configSchema.nullish(),
});
export type FlyMachine = z.infer<typeof machineSchema>;

export const volumeSchema = z.object({
  id: z.string().min(1),
  name: z.string().nullish(),
  state: z.string().nullish(),
  region: z.string().nullish(),
  created_at: z.string().nullish(),
  attached_machine_id: z.string().nullish(),
  bytes_used: z.number().nullish(),
  size_gb: z.number().nullish(),
});
export type FlyVolume = z.infer<typeof volumeSchema>;

export const startSchema = z.object({ status: z.string().nullish(), message: z.string().nullish() });

/**
 * The image a Machine was told to run, or "" when its host cannot be asked. What we noted comes first: Fly may spell an
 * image's name differently than we did.
 */
export function imageOf(machine: FlyMachine): string {
  const config = machine.config ?? machine.incomplete_config;
  return config?.metadata?.[IMAGE_METADATA] ?? config?.image ?? "";
}

/** The volume a Machine mounts. Read it anew each time: a migration keeps the Machine's id and changes this one (§1.3). */
export function mountedVolume(machine: FlyMachine): string | undefined {
  return (machine.config?.mounts ?? machine.incomplete_config?.mounts)?.[0]?.volume ?? undefined;
}
