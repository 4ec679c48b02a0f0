import { execFileSync } from "node:child_process";
import { closeSync, existsSync, openSync, statfsSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { basename, join } from "node:path";
import { onTestFinished } from "vitest";
import { newDirectory } from "./open-for-test.ts";

/** Why a test of disks is skipped: mounting needs root in a container that is allowed to, as in CI. */
export const NO_MOUNT = "this machine does not let tests mount a disk";

function tryRun(command: string, ...args: string[]): string | undefined {
  try {
    return execFileSync(command, args, { stdio: ["ignore", "pipe", "ignore"], encoding: "utf8" }).trim();
  } catch {
    return undefined;
  }
}

/** A disk of its own in memory, mounted until the test ends. @returns where; `undefined` where that is not allowed. */
export function smallDisk(megabytes: number): string | undefined {
  const directory = newDirectory();
  if (tryRun("mount", "-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", directory) === undefined)
    return undefined;
  onTestFinished(() => void tryRun("umount", "--lazy", directory));
  return directory;
}

/** Takes all the space there is, also when somebody else writes to the disk meanwhile. @returns the file that takes it. */
export function fillDisk(disk: string): string {
  const ballast = join(disk, "ballast");
  const block = Buffer.alloc(statfsSync(disk).bsize);
  const file = openSync(ballast, "w");
  try {
    for (;;) writeSync(file, block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  } finally {
    closeSync(file);
  }
  return ballast;
}

/** Mounts a disk anew. Read-only only when no file on it is open for writing. */
export function remount(disk: string, how: "ro" | "rw"): void {
  execFileSync("mount", ["-o", `remount,${how}`, disk], { stdio: "ignore" });
}

/** A disk that can fail under whoever writes to it. */
export interface FailingDisk {
  readonly directory: string;
  /** The kernel finds an error on it and takes no more writes: EROFS, also for files that are open. */
  fail(): void;
  /** Takes it away and brings it back, as a restart of the machine does. Nobody may have files open on it. */
  replug(): void;
}

/** An ext4 file system in a file. @returns `undefined` where that is not allowed. */
export function failingDisk(megabytes: number): FailingDisk | undefined {
  const image = join(newDirectory(), "image");
  const directory = newDirectory();
  writeFileSync(image, "");
  truncateSync(image, megabytes * 1024 * 1024);
  if (tryRun("mkfs.ext4", "-q", image) === undefined) return undefined;
  const mount = () => tryRun("mount", "-o", "loop,errors=remount-ro", image, directory) !== undefined;
  if (!mount()) return undefined;
  onTestFinished(() => void tryRun("umount", "--lazy", directory));
  const device = tryRun("findmnt", "-n", "-o", "SOURCE", directory) ?? "";
  const trigger = `/sys/fs/ext4/${basename(device)}/trigger_fs_error`;
  if (!existsSync(trigger)) return undefined;
  return {
    directory,
    fail: () => writeFileSync(trigger, "1"),
    replug() {
      execFileSync("umount", [directory], { stdio: "ignore" });
      // Clears the mark of the error, and replays the journal.
      tryRun("fsck.ext4", "-p", image);
      if (!mount()) throw new Error("the disk does not come back");
    },
  };
}
