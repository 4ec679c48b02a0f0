import { SpriteSyncError } from "../../shared/errors.ts";
import type { ServiceDefinition } from "./sprites-api.ts";
import type { FlyService } from "./sprites-types.ts";

/** A server for Sprites, as `sprite/release.ts` packs it; its name says all of it. */
export interface SpriteRelease {
  /** Version of the package: what the server's hello says. */
  readonly version: string;
  /** What `uname -s -m` answers where it runs. */
  readonly system: string;
  /** Of the archive, in hexadecimal. */
  readonly sha256: string;
}

/** All that is put into a Sprite, and how to tell whether it is there. */
export interface SpriteSetup {
  /** Changes when anything of it changes. It is in the service's environment, where a look at the service finds it. */
  readonly id: string;
  /** Where the release is, as {@link releaseDir} names it. */
  readonly dir: string;
  readonly definition: ServiceDefinition;
  /** What the Sprite must verify passes with. */
  readonly passKeys: string;
}

/** Where everything of ours is inside a Sprite. Below the home of the image's user, the documented place for one's own. */
export const SPRITE_DIR = "/home/sprite/sprite-sync";
/** The port that URL traffic goes to also when `http_port` is not respected (facts/fly-sprites §3). */
const PORT = 8080;
const SETUP_VARIABLE = "SPRITE_SETUP";
/** The Node that our bundle is built for; a Sprite keeps the one that it was created with. */
export const LEAST_NODE = 24;

/** Exit codes of {@link installScript}, with what they mean. */
export const INSTALL_REFUSALS: Readonly<Record<number, string>> = {
  21: "the Sprite is not of the system that the release was built for; build it there (node sprite/release.ts)",
  22: `the Sprite's Node is older than ${LEAST_NODE}; create the Sprite anew, or update its Node`,
  23: "the release arrived damaged",
};

const SYSTEMS: Readonly<Record<string, string>> = {
  "linux-x64": "Linux x86_64",
  "linux-arm64": "Linux aarch64",
  "darwin-arm64": "Darwin arm64",
  "darwin-x64": "Darwin x86_64",
};

/**
 * Reads a release's name, the last part of its address: `sprite-<version>-<platform>-<sha256>.tgz`.
 * @throws SpriteSyncError `config-invalid`
 */
export function parseRelease(address: string): SpriteRelease {
  const name = address.split("/").at(-1) ?? "";
  const [, version, platform = "", sha256] =
    /^sprite-(\d+\.\d+\.\d+[\w.]*)-([a-z0-9]+-[a-z0-9]+)-([0-9a-f]{64})\.tgz$/.exec(name) ?? [];
  const system = SYSTEMS[platform];
  if (version && sha256 && system) return { version, sha256, system };
  throw new SpriteSyncError(
    "config-invalid",
    "SPRITE_RELEASE must be the address of a file as `node sprite/release.ts` names it, sprite-<version>-<platform>-<sha256>.tgz",
  );
}

/**
 * What a home's Sprite shall run.
 * @param dir of the release, see {@link releaseDir}
 * @param env without secrets: whoever may see the service sees it.
 */
export async function spriteSetup(
  dir: string,
  env: Readonly<Record<string, string>>,
  passKeys: string,
): Promise<SpriteSetup> {
  const all = JSON.stringify([dir, Object.entries(env).sort(), passKeys]);
  const id = (await sha256Hex(utf8(all))).slice(0, 16);
  const definition = {
    cmd: "/bin/sh",
    args: [`${SPRITE_DIR}/${dir}/start.sh`],
    dir: SPRITE_DIR,
    env: {
      ...env,
      PORT: String(PORT),
      SPRITE_DATA: `${SPRITE_DIR}/data/hypercore-storage`,
      [SETUP_VARIABLE]: id,
    },
    needs: [],
    http_port: PORT,
  };
  return { id, dir, definition, passKeys };
}

/** Whether a service is what `setup` wants. */
export function isSetUp(service: FlyService | undefined, setup: SpriteSetup): boolean {
  return service?.env?.[SETUP_VARIABLE] === setup.id;
}

/** Whether a service has no process, and will get none by itself. */
export function isStopped(service: FlyService | undefined): boolean {
  const status = service?.state?.status;
  return status === "stopped" || status === "failed";
}

/** Whether `version` is what a server of this setup says in its hello: the package's version, `+` and the setup's id. */
export function isVersionOf({ id }: Pick<SpriteSetup, "id">, version: string): boolean {
  return version.endsWith(`+${id}`);
}

/** The directory of the release that a service runs, relative to {@link SPRITE_DIR}. */
export function installedRelease(service: FlyService | undefined): string | undefined {
  return /\/(releases\/[0-9a-f]+)\/start\.sh$/.exec(service?.args?.[0] ?? "")?.[1];
}

/** A release's directory, relative to {@link SPRITE_DIR}. */
export function releaseDir({ sha256 }: SpriteRelease): string {
  return `releases/${sha256.slice(0, 16)}`;
}

/**
 * A shell script that checks an uploaded archive and makes it the release's directory, by a rename at the end: the
 * directory is there whole or not at all. Run in {@link SPRITE_DIR}, where all its paths begin. Exit codes other than 0
 * are in {@link INSTALL_REFUSALS}.
 *
 * It is unknown as which user the file API writes, commands run and services run: `sudo` is taken where a directory cannot
 * be written, and the data directory is open to all. No other program runs in the Sprite.
 *
 * @param upload the archive's name there, of this attempt alone: another may be under way.
 * @param running the release that the Sprite runs now: its server may still read from it. All others are removed.
 */
export function installScript(release: SpriteRelease, upload: string, running: string | undefined): string {
  const dir = releaseDir(release);
  const fresh = `${dir}.${upload}`;
  const kept = [dir, running].filter(Boolean).join("|");
  return [
    "set -eu",
    `[ "$(uname -s) $(uname -m)" = "${release.system}" ] || exit 21`,
    "node=/.sprite/bin/node",
    '[ -x "$node" ] || node=node',
    `"$node" -e 'process.exit(Number(process.versions.node.split(".")[0]) < ${LEAST_NODE} ? 1 : 0)' || exit 22`,
    `"$node" -e '${HASH_CHECK}' ${upload} ${release.sha256} || exit 23`,
    "as=",
    '[ -w . ] || as="sudo -n"',
    `$as mkdir -p ${fresh} data`,
    "$as chmod 0777 data",
    `$as tar -xzf ${upload} -C ${fresh}`,
    `$as "$node" -e '${RENAME}' ${fresh} ${dir}`,
    `$as rm -rf ${upload} ${fresh}`,
    // What other attempts left; those that are under way are younger, and may vanish under `find`.
    "$as find . releases -maxdepth 1 -name '*upload-*' -mmin +60 -exec rm -rf {} + || true",
    "for old in releases/*; do",
    `  case "$old" in ${kept}|*upload-*) ;; *) $as rm -rf "$old" ;; esac`,
    "done",
  ].join("\n");
}

const HASH_CHECK =
  'const { readFileSync: read } = require("fs"); const [file, wanted] = process.argv.slice(1); ' +
  'process.exit(require("crypto").createHash("sha256").update(read(file)).digest("hex") === wanted ? 0 : 1)';

/** `mv` would move a directory into one that is there already. That one is the same: its name is its checksum. */
const RENAME =
  'const { existsSync, renameSync } = require("fs"); const [from, to] = process.argv.slice(1); ' +
  "try { renameSync(from, to); } catch (error) { if (!existsSync(to)) throw error; }";

/** The bytes of a text. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode(text));
}

/** SHA-256 in hexadecimal, by WebCrypto. */
export async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
