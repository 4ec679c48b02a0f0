import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { defineCommand } from "../cli/command.ts";
import { main } from "../cli/main.ts";
import packageJson from "../package.json" with { type: "json" };
import { buildSprite } from "./build.ts";
import { type TarFile, tar } from "./tar.ts";

const START = fileURLToPath(new URL("start-service.sh", import.meta.url));
/** Where the files that a program uses are named in it, and its own entry. */
const ENTRY = "main.js";

/**
 * Packs a built Sprite for Fly Sprites, which run no image: the bundle, its native parts and `start.sh`, in one archive
 * whose name says the version, the platform and the checksum: `sprite-<version>-<platform>-<sha256>.tgz`.
 *
 * Only what `main.js` leads to is packed: a build directory may hold other programs and older builds. Compiled code
 * (`*.code`) is left out, because it is bound to one version of V8 and a Sprite's Node is not ours.
 *
 * @param bundleDir what `buildSprite` made.
 * @returns the archive's path in `outDir`.
 */
export async function packRelease(bundleDir: string, outDir: string): Promise<string> {
  const files = await filesOf(bundleDir);
  files.push({ name: "start.sh", bytes: await readFile(START), mode: 0o755 });
  const archive = gzipSync(tar(files), { level: 9 });
  const sha256 = createHash("sha256").update(archive).digest("hex");
  const name = `sprite-${packageJson.version}-${process.platform}-${process.arch}-${sha256}.tgz`;
  await mkdir(outDir, { recursive: true });
  await writeFile(join(outDir, name), archive);
  return join(outDir, name);
}

async function filesOf(directory: string): Promise<TarFile[]> {
  const names = (await readdir(directory)).filter((name) => /\.(js|node|json)$/.test(name));
  const wanted = new Set([ENTRY, ...names.filter((name) => name === "package.json")]);
  const files: TarFile[] = [];
  // A set that grows while it is walked: each program adds the files that it names.
  for (const name of wanted) {
    const bytes = await readFile(join(directory, name));
    files.push({ name, bytes, mode: 0o644 });
    if (!name.endsWith(".js")) continue;
    const text = bytes.toString("latin1");
    for (const other of names) if (text.includes(other)) wanted.add(other);
  }
  return files;
}

/** `npm run build:release`. */
export const BUILD_RELEASE = defineCommand({
  name: "build:release",
  about: "Bundles the Sprite and packs it for Fly Sprites, for the platform that this runs on.",
  operands: [
    { name: "BUNDLE", about: "folder of the bundle (default dist/sprite)" },
    { name: "FOLDER", about: "where the archive is put (default dist/release)" },
  ],
  options: {},
  async run(_values, [bundleDir = "dist/sprite", outDir = "dist/release"], { print }) {
    await buildSprite(bundleDir);
    print(await packRelease(bundleDir, outDir));
    return undefined;
  },
});

if (import.meta.main) await main(BUILD_RELEASE);
