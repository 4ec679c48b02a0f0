export type { StorageState } from "./committer.ts";
export type { Durability } from "./journal.ts";
export { openStorage, type StorageOptions } from "./open-storage.ts";
export type { DamageRecord } from "./repairer.ts";
export type { SpriteStorage } from "./sprite-storage.ts";
