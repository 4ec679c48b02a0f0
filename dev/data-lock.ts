import { type FileHandle, open } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import fileLocks from "fs-native-extensions";
import { SpriteSyncError } from "../shared/errors.ts";
import { listenerOn } from "./port-listener.ts";

/**
 * Takes a data directory for this process. The system gives it back when the process ends, however it ends.
 * @throws SpriteSyncError `config-invalid` when another stack has it: two would end each other's Sprites.
 */
export async function lockData(dataDir: string): Promise<FileHandle> {
  const file = await open(join(dataDir, "lock"), "a+");
  if (fileLocks.tryLock(file.fd)) {
    await file.truncate();
    await file.write(String(process.pid));
    return file;
  }
  const pid = (await file.readFile("utf8")).trim();
  await file.close();
  throw new SpriteSyncError(
    "config-invalid",
    `another stack runs on ${dataDir}${pid && `, process ${pid}`}; end it, or give another --data`,
  );
}

/** Whether a stack runs on a data directory. */
export async function isLocked(dataDir: string): Promise<boolean> {
  const file = await open(join(dataDir, "lock"), "a+");
  try {
    return !fileLocks.tryLock(file.fd);
  } finally {
    await file.close();
  }
}

/**
 * Makes sure that a port of 127.0.0.1 is free, before anything is started behind it.
 * @throws SpriteSyncError `config-invalid`
 */
export async function checkPort(port: number): Promise<void> {
  const probe = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once("error", reject);
      probe.listen(port, "127.0.0.1", resolve);
    });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EADDRINUSE") {
      throw new SpriteSyncError("config-invalid", `port ${port}: ${(cause as Error).message}`, { cause });
    }
    const listener = await listenerOn(port);
    const who = listener ? `process ${listener.pid} (${listener.program})` : "what listens there";
    const text = `port ${port} is taken; end ${who}, or give another --port (0: any free one)`;
    throw new SpriteSyncError("config-invalid", text, { cause });
  }
  await new Promise((resolve) => probe.close(resolve));
}
