import { SpriteSyncError, toSpriteSyncError } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";
import type { SpriteName } from "../../shared/sprite-name.ts";
import type { SpritesApi } from "./sprites-api.ts";
import { SPRITES_LIMITS } from "./sprites-limits.ts";
import {
  INSTALL_REFUSALS,
  installedRelease,
  installScript,
  isSetUp,
  isStopped,
  SPRITE_DIR,
  type SpriteRelease,
  type SpriteSetup,
  sha256Hex,
  utf8,
} from "./sprites-setup.ts";

export interface InstallDeps {
  readonly api: SpritesApi;
  /** What new Sprites get, and those that are upgraded. */
  readonly release: SpriteRelease;
  /** How many stores the running server has not got on its disk yet; `undefined` when it does not say. */
  readonly pending: () => Promise<number | undefined>;
  readonly pause: (ms: number) => Promise<void>;
  /** The release's archive. */
  readonly readRelease: () => Promise<Uint8Array<ArrayBuffer>>;
  readonly log: Log;
}

/**
 * Brings a Sprite to its setup: nothing to do for one that has it, everything for a new one, what differs for one with
 * another release, other settings or other keys. May be repeated after any failure, and by two at once.
 *
 * 1. The service is changed last and carries the setup's id, so a Sprite that has the id has all of it.
 * 2. A server is never replaced while something that it was sent is not on its disk: it goes on, and is replaced another time.
 * 3. A service that was stopped stays so over every wake (facts/fly-sprites §3): it is started again.
 */
export async function install(name: SpriteName, setup: SpriteSetup, deps: InstallDeps): Promise<void> {
  const { api, log } = deps;
  const service = await api.service(name);
  if (isSetUp(service, setup)) {
    if (isStopped(service)) await api.restartService(name);
    return;
  }
  await api.writeFile(name, `${SPRITE_DIR}/pass-keys`, utf8(setup.passKeys));
  const running = installedRelease(service);
  if (running !== setup.dir) await installRelease(name, running, deps);
  if (service && !(await isQuiet(deps))) {
    log.warn({ sprite: name }, "the server is not upgraded now: it has something to store");
    return;
  }
  if (service) await redefine(name, setup, api);
  else await api.putService(name, setup.definition);
  const { version, sha256 } = deps.release;
  if (running === setup.dir) log.info({ sprite: name, release: running }, "server set up anew");
  else
    log.info(
      { sprite: name, version, sha256, before: running },
      service ? "server upgraded" : "server installed",
    );
}

/**
 * Gives a service that exists another definition. It may go on with its old process, or end it, or that one falls asleep
 * just now (facts/fly-sprites §3): whatever is told of it meanwhile, only a restart is sure.
 */
async function redefine(name: SpriteName, setup: SpriteSetup, api: SpritesApi): Promise<void> {
  try {
    await api.putService(name, setup.definition);
  } catch (error) {
    if (toSpriteSyncError(error, "transient").code !== "transient") throw error;
    if (!isSetUp(await api.service(name), setup)) throw error;
  }
  await api.restartService(name);
}

/** Waits for the stores that are under way. What does not answer has none. */
async function isQuiet({ pending, pause }: Pick<InstallDeps, "pending" | "pause">): Promise<boolean> {
  for (let look = 1; ; look++) {
    if (((await pending()) ?? 0) === 0) return true;
    if (look === SPRITES_LIMITS.quietLooks) return false;
    await pause(SPRITES_LIMITS.quietPauseMs);
  }
}

async function installRelease(
  name: SpriteName,
  running: string | undefined,
  { api, release, readRelease }: InstallDeps,
): Promise<void> {
  const archive = await readRelease();
  if ((await sha256Hex(archive)) !== release.sha256)
    throw new SpriteSyncError("config-invalid", "what SPRITE_RELEASE leads to is not the file that it names");
  const upload = `upload-${crypto.randomUUID()}`;
  await api.writeFile(name, `${SPRITE_DIR}/${upload}`, archive);
  // Checked by a command and not by the file API: after a restore the two were seen to see different disks (§2a), and the
  // server sees what commands see.
  const { code, output } = await api.run(name, installScript(release, upload, running), SPRITE_DIR);
  if (code === 0) return;
  const kind = code === 21 || code === 22 ? "config-invalid" : "transient";
  const why = INSTALL_REFUSALS[code] ?? `its script ended with code ${code}: ${output}`;
  throw new SpriteSyncError(kind, `install the server in ${name}: ${why}`);
}
