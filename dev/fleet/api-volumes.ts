import type { Handler } from "./api-machines.ts";
import { parse } from "./api-machines.ts";
import { createVolumeSchema, type VolumeRecord } from "./fly-model.ts";
import type { Registry } from "./registry.ts";

/** The `Volume*` operations that the local host has. */
export function volumeHandlers(registry: Registry): Record<string, Handler> {
  // The OpenAPI document types `attached_machine_id` as a string, the real API sends null: absent satisfies both.
  const volumeJson = (volume: VolumeRecord) => {
    const machine = registry.mountedBy(volume.id);
    return {
      ...volume,
      state: "created",
      zone: "local",
      fstype: "ext4",
      host_status: "ok",
      ...(machine ? { attached_machine_id: machine.record.id } : {}),
    };
  };
  return {
    Volumes_list: () => ({ status: 200, body: registry.volumes().map(volumeJson) }),
    Volumes_create: async ({ body }) => {
      const { name, region, size_gb, encrypted, source_volume_id } = parse(createVolumeSchema, body);
      const volume = await registry.createVolume({ name, region, size_gb, encrypted }, source_volume_id);
      return { status: 200, body: volumeJson(volume) };
    },
    Volumes_get_by_id: ({ path }) => ({ status: 200, body: volumeJson(registry.volume(lastPart(path))) }),
    Volume_delete: async ({ path }) => {
      const { attached_machine_id: _, ...volume } = volumeJson(await registry.deleteVolume(lastPart(path)));
      return { status: 200, body: { ...volume, state: "pending_destroy" } };
    },
  };
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
