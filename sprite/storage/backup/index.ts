export { type BackupOptions, type BackupReport, backUp } from "./back-up.ts";
export { type ListedBackup, listBackups } from "./list-backups.ts";
export { openPlace, type PlaceEnv } from "./open-place.ts";
export type { BackupPlace } from "./place.ts";
export { parseTime, type RestoreOptions, type RestoreReport, restoreBackup } from "./restore.ts";
export { backUpOwnStore, type OwnBackupOptions } from "./store-backup.ts";
