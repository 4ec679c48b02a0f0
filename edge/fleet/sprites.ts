import { SpriteSyncError } from "../../shared/errors.ts";
import type { GroupId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import { PASS_HEADER, type PassKeys, signPass } from "../../shared/pass.ts";
import { homeOfSprite, spriteNameOf } from "../../shared/sprite-name.ts";
import type { Fleet, SpriteRecord } from "./fleet.ts";
import { createSpritesApi } from "./sprites-api.ts";
import { ensureSprite } from "./sprites-ensure.ts";
import { createSpritesHttp, type SpritesHttpDeps, spritesAuthorization } from "./sprites-http.ts";
import { install } from "./sprites-install.ts";
import { SPRITES_LIMITS } from "./sprites-limits.ts";
import { createRoomMaker } from "./sprites-room.ts";
import {
  installedRelease,
  isVersionOf,
  parseRelease,
  releaseDir,
  type SpriteSetup,
  spriteSetup,
} from "./sprites-setup.ts";
import { type FlySprite, stateOfStatus } from "./sprites-types.ts";
import { trustAddress } from "./sprites-url.ts";
import { createVisitor } from "./sprites-visit.ts";
import { findSprite, reachSprite } from "./sprites-wake.ts";
import { isChosen } from "./upgrade.ts";

export interface SpritesFleetDeps extends SpritesHttpDeps {
  /** Address of the server's release; its name says version, platform and checksum (sprite/release.ts). */
  readonly release: string;
  /** Gets the release. */
  readonly readRelease: () => Promise<Uint8Array<ArrayBuffer>>;
  /** How many of the Sprites that run another release get this one at their next wake, percent. */
  readonly upgradePercent: number;
  /** Environment of a home's Sprite. No secrets: whoever may see its service sees it. */
  readonly spriteEnv: (home: GroupId) => Readonly<Record<string, string>>;
  /** Sprites get them as a file. */
  readonly passKeys: PassKeys;
  readonly log: Log;
  /** Wait and tell the time (milliseconds since the epoch); only tests pass others. */
  readonly pause?: (ms: number) => Promise<void>;
  readonly now?: () => number;
}

/**
 * Sprites as Fly Sprites (sprites.dev): one for each home, with our server as its one service. The Sprite is found by its
 * name, a function of the home; its id is remembered, because a name whose Sprite was deleted leads to an empty one.
 *
 * @throws SpriteSyncError `config-invalid` for a token or a release that cannot be one.
 */
export function createSpritesFleet(deps: SpritesFleetDeps): Fleet {
  const { log, now = () => Date.now() } = deps;
  const pause = deps.pause ?? ((ms) => new Promise<void>((next) => setTimeout(next, ms)));
  const api = createSpritesApi(createSpritesHttp(deps));
  const release = parseRelease(deps.release);
  const authorization = spritesAuthorization(deps.token);
  const passKeys = deps.passKeys.map((key) => new TextDecoder().decode(key)).join(",");
  const creations = { closedUntil: 0 };
  const credentials: Fleet["credentials"] = ({ url }) => {
    trustAddress(url, deps.apiUrl);
    return { authorization };
  };
  const visit = createVisitor({ fetch: deps.fetch, credentials });
  const newest = releaseDir(release);

  /** Of a Sprite that is not among the chosen, all but its release: settings and keys hold for every Sprite. */
  async function setupOf(home: GroupId): Promise<SpriteSetup> {
    const name = spriteNameOf(home);
    const kept = isChosen(name, deps.upgradePercent) ? undefined : installedRelease(await api.service(name));
    return spriteSetup(kept ?? newest, deps.spriteEnv(home), passKeys);
  }

  const makeRoom = createRoomMaker({
    api,
    idleMsOf: async (sprite) => {
      const { idleMs, asleep } = (await askServer("GET", sprite)) ?? {};
      return typeof idleMs === "number" && asleep === false ? idleMs : undefined;
    },
    askToSleep: async (sprite) => (await askServer("POST", sprite))?.asleep === true,
    now,
  });

  /** Asks a running Sprite's server about its idleness (its route `/sleep`); `POST` asks it to sleep. */
  async function askServer(method: "GET" | "POST", { name, home }: Pick<SpriteRecord, "name" | "home">) {
    const sprite = await api.get(name);
    if (sprite?.status !== "running") return undefined;
    const headers = { [PASS_HEADER]: await signPass({ home, session: "fleet" }, deps.passKeys) };
    const reply = await visit(sprite, "/sleep", { method, headers, timeoutMs: SPRITES_LIMITS.idleAskMs });
    return reply.status === 200 ? (reply.body as ToldIdleness | undefined) : undefined;
  }

  const installIn = (sprite: Pick<SpriteRecord, "name" | "home">, setup: SpriteSetup) =>
    install(sprite.name, setup, {
      api,
      release,
      pending: async () => {
        const told = await askServer("GET", sprite).catch(() => undefined);
        return typeof told?.pending === "number" ? told.pending : undefined;
      },
      pause,
      readRelease: deps.readRelease,
      log,
    });

  return {
    async find(home) {
      const sprite = await findSprite(spriteNameOf(home), { api, pause });
      return sprite && recordOf(sprite, home);
    },
    async ensure({ home }) {
      const name = spriteNameOf(home);
      const sprite = await ensureSprite(name, { api, creations, pause, now, log });
      const setup = await setupOf(home);
      await installIn({ name, home }, setup);
      return { ...recordOf(sprite, home), image: setup.dir };
    },
    async wake(known) {
      const sprite = await findSprite(known.name, { api, pause });
      if (sprite?.id !== known.id) throw goneError(known, sprite);
      const setup = await setupOf(known.home);
      const parts = { setupId: setup.id, install: () => installIn(known, setup) };
      await reachSprite(sprite, known.name, { api, visit, pause, now, log, ...parts });
      return { ...recordOf(sprite, known.home), state: "running", image: setup.dir };
    },
    async upgrade(known, version) {
      const setup = await setupOf(known.home);
      if (isVersionOf(setup, version)) return false;
      await installIn(known, setup);
      return true;
    },
    makeRoom,
    address({ name, url }) {
      if (url) return { url: url.replace(/\/+$/, ""), headers: {} };
      throw new SpriteSyncError("gone", `the record of ${name} has no address: it is of another fleet`);
    },
    credentials,
    sleep: ({ name }) => api.stopService(name),
    destroy: ({ name }) => api.remove(name),
    async list() {
      const records: SpriteRecord[] = [];
      for await (const { sprites } of api.pages("g-")) {
        for (const { name } of sprites) {
          const home = homeOfSprite(name);
          // A list's items have no id: each is looked up. One that has just been deleted is none.
          const sprite = home && (await api.get(spriteNameOf(home)));
          if (home && sprite) records.push(recordOf(sprite, home));
        }
      }
      return records;
    },
  };
}

/** What a Sprite's server tells on `/sleep`, unchecked. */
interface ToldIdleness {
  readonly idleMs?: unknown;
  readonly pending?: unknown;
  readonly asleep?: unknown;
}

/** Not there any more, or there with another id: then its disk is a new, empty one, and clients must repair it. */
function goneError(known: SpriteRecord, found: FlySprite | undefined): SpriteSyncError {
  const what = found
    ? `was replaced by an empty one (${known.id} is now ${found.id})`
    : "does not exist any more";
  return new SpriteSyncError("gone", `${known.name} ${what}`);
}

function recordOf(sprite: FlySprite, home: GroupId): SpriteRecord {
  return {
    name: spriteNameOf(home),
    home,
    id: sprite.id,
    region: sprite.primary_region ?? "",
    state: stateOfStatus(sprite.status),
    // Only its service tells, and to look at that wakes it.
    image: "",
    url: sprite.url,
  };
}
