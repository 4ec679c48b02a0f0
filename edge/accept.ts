import { errorMessage } from "../shared/control.ts";
import type { CoValueId } from "../shared/ids.ts";
import { LIMITS } from "../shared/limits.ts";
import { withFields } from "../shared/log.ts";
import { spriteNameOf } from "../shared/sprite-name.ts";
import { attachSprite } from "./attach.ts";
import type { Client } from "./client.ts";
import { closeQuietly } from "./close-quietly.ts";
import { type EdgeConfig, logOptions } from "./config.ts";
import { CreationGuard } from "./creation-guard.ts";
import { dialSprite } from "./dial.ts";
import { isolateDrain } from "./drain.ts";
import type { Env } from "./env.ts";
import { fleetOf } from "./fleet-of.ts";
import { GuardedDirectory } from "./guarded-directory.ts";
import { Locator } from "./locator.ts";
import { workersLog } from "./log.ts";
import { ALL_REGIONS, locationHintOf, nearestFirst, positionOf } from "./regions.ts";
import { Session, type SessionDeps } from "./session.ts";
import type { SpritePlace } from "./sprite-place.ts";
import { waitingRoomOf } from "./waiting-room.ts";
import { Wants } from "./wants.ts";
import { watchSprite } from "./watch.ts";
import { Wear } from "./wear.ts";

export interface Upgrade {
  readonly request: Request;
  readonly env: Env;
  readonly config: EdgeConfig;
  readonly client: Client;
  /** A group that the client says it will use; it is attached at once if it exists. */
  readonly home?: CoValueId | undefined;
}

/** Answers a browser's upgrade with a session: the only place where a session meets workerd. */
export function acceptSession(upgrade: Upgrade): Response {
  const { 0: client, 1: server } = new WebSocketPair();
  const session = new Session(sessionDeps(server, upgrade));
  const { home } = upgrade;
  // Listeners before accept: events begin to flow with it. The client's leaving closes nothing by itself.
  server.addEventListener("message", ({ data }) => session.receive(data));
  server.addEventListener("close", () => session.end());
  server.addEventListener("error", () => session.end());
  server.binaryType = "arraybuffer";
  server.accept();
  if (home) void session.warm(home);
  return new Response(null, { status: 101, webSocket: client });
}

function sessionDeps(socket: WebSocket, { request, env, config, client }: Upgrade): SessionDeps {
  const id = crypto.randomUUID();
  const log = withFields(workersLog(logOptions(config)), { session: id });
  const upgrade = { headers: { Upgrade: "websocket" } };
  const near = positionOf(request.cf);
  const { fleet, regions } = fleetOf(env);
  // A coordinator is made by the first session that asks it, near where that session's Sprite will be.
  const hint = near && locationHintOf(nearestFirst(regions.length > 0 ? regions : ALL_REGIONS, near)[0]);
  // Each of these is got for one call.
  const wear = new Wear();
  const coordinator = (of: string) => {
    wear.subrequest();
    return env.COORDINATOR.get(env.COORDINATOR.idFromName(of), hint && { locationHint: hint });
  };
  const shard = (name: string) => {
    wear.subrequest();
    return env.DIRECTORY.get(env.DIRECTORY.idFromName(name));
  };
  const notes = (): KVNamespace => {
    wear.subrequest();
    return env.ADDRESSES;
  };
  const ended = new AbortController();
  const locator = new Locator({
    coordinator,
    kv: { get: (key, options) => notes().get(key, options) },
    near,
    session: id,
    isOutdated: (of, { image = "", url }) =>
      fleet.isOutdated?.({ name: spriteNameOf(of), image, url }) ?? false,
  });
  const send = (frame: string) => {
    try {
      socket.send(frame);
    } catch {
      // Closing: its close event ends the session.
    }
  };
  const guard = new CreationGuard({
    client,
    limiter: env.NEW_SPRITES,
    take: (home, founder) => {
      wear.subrequest();
      return waitingRoomOf(env).takeCreation(home, founder);
    },
    tell: (error) => send(errorMessage(error)),
    now: Date.now,
    log,
  });
  return {
    client: {
      send,
      close: (code, reason) => closeQuietly(socket, code, reason),
    },
    dc: String(request.cf?.colo ?? "local"),
    directory: new GuardedDirectory({ shard, log }, guard),
    policy: config.PLACEMENT,
    dial: async (of, fresh) => {
      const { credentials } = fleet;
      const timeoutMs = fresh ? LIMITS.dialTimeoutMs : LIMITS.firstDialTimeoutMs;
      const about = { home: of, session: id, keys: config.PASS_KEYS, credentials };
      const options = { ...about, timeoutMs, ended: ended.signal };
      const dial = (place: SpritePlace) => {
        wear.subrequest();
        return dialSprite({ ...options, place });
      };
      return attachSprite(of, fresh, { locator, dial, ended: ended.signal });
    },
    watch: (of, boot, onAwake, pause) => {
      const url = `https://coordinator/watch?boot=${encodeURIComponent(boot)}&session=${id}`;
      return watchSprite({ connect: () => coordinator(of).fetch(url, upgrade), onAwake, pause });
    },
    tellsSprites: new URL(request.url).searchParams.get("tell") === "sprites",
    unchanged: (of, records) => locator.unchanged(of, records),
    wants: (onPlaced, pause) =>
      new Wants({ connect: (name) => shard(name).fetch("https://directory/want", upgrade), onPlaced, pause }),
    wear,
    drain: () => isolateDrain.note(Date.now(), notes),
    log,
    onEnd: () => {
      locator.end();
      ended.abort();
    },
  };
}
