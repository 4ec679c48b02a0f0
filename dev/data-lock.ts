import { type FileHandle, open } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import fileLocks from "fs-native-extensions";
import { SpriteSyncError } from "../shared/errors.ts";

/**
 * Takes a data directory for this process. The system gives it back when the process ends, however it ends.
 * @throws SpriteSyncError `config-invalid` when another stack has it: two would end each other's Sprites.
 */
export async function lockData(dataDir: string): Promise<FileHandle> {
  const file = await open(join(dataDir, "lock"), "a+");
  if (fileLocks.tryLock(file.fd)) return file;
  await file.close();
  throw new SpriteSyncError(
    "config-invalid",
    `another stack runs on ${dataDir}; end it, or give another --data`,
  );
}

/**
 * Makes sure that a port of 127.0.0.1 is free, before anything is started behind it.
 * @throws SpriteSyncError `config-invalid`
 */
export async function checkPort(port: number): Promise<void> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once("error", (cause) => {
      const text = `port ${port} is taken; end what listens there, or give another --port (0: any free one)`;
      reject(new SpriteSyncError("config-invalid", text, { cause }));
    });
    probe.listen(port, "127.0.0.1", resolve);
  });
  await new Promise((resolve) => probe.close(resolve));
}
