import { type Context, Hono } from "hono";
import { LAST_WORD_PATH } from "../shared/digest.ts";
import { ERROR_TABLE, SpriteSyncError, toSpriteSyncError } from "../shared/errors.ts";
import type { CoValueId } from "../shared/ids.ts";
import { HEALTH_PATHS, NO_SOCKET_HERE, readSyncPath, shownPath } from "../shared/sync-path.ts";
import { acceptSession } from "./accept.ts";
import { clientOf, networkOf } from "./client.ts";
import { mayOnceMore, tooManySessions } from "./client-limits.ts";
import { logOptions, parseConfig } from "./config.ts";
import type { Env } from "./env.ts";
import { hearLastWord } from "./last-word.ts";
import { workersLog } from "./log.ts";
import { operate } from "./operate.ts";
import { waitingRoomOf } from "./waiting-room.ts";

export { Coordinator } from "./coordinator.ts";
export { DirectoryShard } from "./directory-shard.ts";
export { FlyQueue } from "./fly-queue.ts";
export { WaitingRoom } from "./waiting-room.ts";

const app = new Hono<{ Bindings: Env }>();

/** Before all else, so that no page is the answer to a WebSocket. */
app.use(async (c, next) => {
  if (isUpgrade(c.req.raw)) {
    const at = readSyncPath(c.req.path);
    return at ? openSession(c.req.raw, c.env, at.home) : refuseSocket(c);
  }
  if (/^\/sync(?:\/|$)/.test(c.req.path))
    throw new SpriteSyncError("bad-frame", "this address speaks WebSocket: connect with ws:// or wss://");
  return next();
});

/** Whether this edge can serve: its configuration is complete. Touches no Durable Object and wakes nothing. */
for (const path of HEALTH_PATHS) {
  app.get(path, (c) => {
    parseConfig(c.env);
    return c.json({ status: "ok" });
  });
}

/** For the operator: how many groups wait for the fleet, and for how long; no names. One call of one Durable Object. */
app.get("/health/fleet", async (c) => {
  const { env } = c;
  const visitor = { kind: "visitor", countedBy: networkOf(c.req.raw) } as const;
  if (!(await mayOnceMore(env.NEW_SESSIONS, visitor, workersLog(logOptions(parseConfig(env))))))
    throw tooManySessions();
  return c.json(await waitingRoomOf(env).health());
});

app.post("/operate/:groupId", async (c) => c.json(await operate(c.req.raw, c.env, c.req.param("groupId"))));

app.post(LAST_WORD_PATH, async (c) => {
  await hearLastWord(c.req.raw, c.env);
  return c.body(null, 204);
});

// Everything else is the demo page; a plain 404 where the deployment has no assets.
app.get("*", (c) => (c.env.ASSETS ? c.env.ASSETS.fetch(c.req.raw) : c.notFound()));

app.onError((thrown, c) => {
  const error = toSpriteSyncError(thrown, "transient");
  if (error.retryAfterMs) c.header("Retry-After", String(Math.ceil(error.retryAfterMs / 1_000)));
  return c.json({ error: error.code, message: error.message }, ERROR_TABLE[error.code].httpStatus);
});

export default app;

function isUpgrade(request: Request): boolean {
  return request.headers.get("Upgrade")?.toLowerCase() === "websocket";
}

/** Jazz's clients tell nobody what they were answered, and try again for as long as the page is open. */
function refuseSocket(c: Context<{ Bindings: Env }>): Response {
  const log = workersLog(logOptions(parseConfig(c.env)));
  log.warn(
    { path: shownPath(c.req.path) },
    "a client asked for a WebSocket where none is opened; it is /sync",
  );
  return c.text(NO_SOCKET_HERE, 404);
}

/** Lets a client in, or throws what is answered instead: before anything of it has been read, and nothing woken. */
async function openSession(request: Request, env: Env, home?: CoValueId): Promise<Response> {
  const config = parseConfig(env);
  const log = workersLog(logOptions(config));
  const client = await clientOf(request, config).catch(async (refusal) => {
    // Keys must not be guessed faster than connections are made.
    const guessing = { kind: "visitor", countedBy: networkOf(request) } as const;
    throw (await mayOnceMore(env.NEW_SESSIONS, guessing, log)) ? refusal : tooManySessions();
  });
  if (!(await mayOnceMore(env.NEW_SESSIONS, client, log))) throw tooManySessions();
  return acceptSession({ request, env, config, client, home });
}
