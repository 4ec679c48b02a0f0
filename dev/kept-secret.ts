import { readFile, writeFile } from "node:fs/promises";

/** The secret in `file`; the first time it is made and written there, readable by its owner only. */
export async function keptSecret(file: string, make: () => string | Promise<string>): Promise<string> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    const secret = await make();
    await writeFile(file, `${secret}\n`, { mode: 0o600, flag: "wx" });
    return secret;
  }
}
