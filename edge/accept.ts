import type { CoValueId } from "../shared/ids.ts";
import { attachSprite } from "./attach.ts";
import { closeQuietly } from "./close-quietly.ts";
import { type EdgeConfig, logOptions } from "./config.ts";
import { dialSprite } from "./dial.ts";
import { Directory } from "./directory.ts";
import type { Env } from "./env.ts";
import { fleetOf } from "./fleet-of.ts";
import { Locator } from "./locator.ts";
import { workersLog } from "./log.ts";
import { ALL_REGIONS, locationHintOf, nearestFirst, positionOf } from "./regions.ts";
import { Session, type SessionDeps } from "./session.ts";
import type { SpritePlace } from "./sprite-place.ts";
import { Wants } from "./wants.ts";
import { watchSprite } from "./watch.ts";

/**
 * Answers a browser's upgrade with a session: the only place where a session meets workerd.
 * @param home a group that the client says it will use; it is attached at once if it exists.
 */
export function acceptSession(request: Request, env: Env, config: EdgeConfig, home?: CoValueId): Response {
  const { 0: client, 1: server } = new WebSocketPair();
  const session = new Session(sessionDeps(server, request, env, config));
  // Listeners before accept: events begin to flow with it. The client's leaving closes nothing by itself.
  server.addEventListener("message", ({ data }) => session.receive(data));
  server.addEventListener("close", () => session.end());
  server.addEventListener("error", () => session.end());
  server.binaryType = "arraybuffer";
  server.accept();
  if (home) void session.warm(home);
  return new Response(null, { status: 101, webSocket: client });
}

function sessionDeps(socket: WebSocket, request: Request, env: Env, config: EdgeConfig): SessionDeps {
  const id = crypto.randomUUID();
  const log = workersLog(logOptions(config));
  const upgrade = { headers: { Upgrade: "websocket" } };
  const near = positionOf(request.cf);
  const { regions } = fleetOf(env);
  // A coordinator is made by the first session that asks it, near where that session's Sprite will be.
  const hint = near && locationHintOf(nearestFirst(regions.length > 0 ? regions : ALL_REGIONS, near)[0]);
  const coordinator = (of: string) =>
    env.COORDINATOR.get(env.COORDINATOR.idFromName(of), hint && { locationHint: hint });
  const shard = (name: string) => env.DIRECTORY.get(env.DIRECTORY.idFromName(name));
  const ended = new AbortController();
  const locator = new Locator({ coordinator, kv: env.ADDRESSES, near });
  return {
    client: {
      send: (frame) => {
        try {
          socket.send(frame);
        } catch {
          // Closing: its close event ends the session.
        }
      },
      close: (code, reason) => closeQuietly(socket, code, reason),
    },
    dc: String(request.cf?.colo ?? "local"),
    directory: new Directory({ shard, log }),
    policy: config.PLACEMENT,
    dial: async (of, fresh) => {
      const { credentials } = fleetOf(env).fleet;
      const options = { home: of, session: id, keys: config.PASS_KEYS, credentials, ended: ended.signal };
      const dial = (place: SpritePlace) => dialSprite({ ...options, place });
      return attachSprite(of, fresh, { locator, dial, ended: ended.signal });
    },
    watch: (of, boot, onAwake, pause) => {
      const url = `https://coordinator/watch?boot=${encodeURIComponent(boot)}`;
      return watchSprite({ connect: () => coordinator(of).fetch(url, upgrade), onAwake, pause });
    },
    wants: (onPlaced, pause) =>
      new Wants({ connect: (name) => shard(name).fetch("https://directory/want", upgrade), onPlaced, pause }),
    log,
    onEnd: () => {
      locator.end();
      ended.abort();
    },
  };
}
