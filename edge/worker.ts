import { Hono } from "hono";
import { ERROR_TABLE, SpriteSyncError, toSpriteSyncError } from "../shared/errors.ts";
import { parseCoValueId } from "../shared/ids.ts";
import { acceptSession } from "./accept.ts";
import { parseConfig } from "./config.ts";
import type { Env } from "./env.ts";

export { Coordinator } from "./coordinator.ts";
export { DirectoryShard } from "./directory-shard.ts";

const app = new Hono<{ Bindings: Env }>();

/** Whether this edge can serve: its configuration is complete. Touches no Durable Object and wakes nothing. */
app.get("/health", (c) => {
  parseConfig(c.env);
  return c.json({ status: "ok" });
});

app.get("/sync", (c) => {
  requireUpgrade(c.req.raw);
  return acceptSession(c.req.raw, c.env, parseConfig(c.env));
});

app.get("/sync/:groupId", (c) => {
  requireUpgrade(c.req.raw);
  const home = parseCoValueId(c.req.param("groupId"));
  if (!home)
    throw new SpriteSyncError("bad-message", "what follows /sync/ must be the id of a group (co_z…)");
  return acceptSession(c.req.raw, c.env, parseConfig(c.env), home);
});

// Everything else is the demo page; a plain 404 where the deployment has no assets.
app.get("*", (c) => (c.env.ASSETS ? c.env.ASSETS.fetch(c.req.raw) : c.notFound()));

app.onError((thrown, c) => {
  const error = toSpriteSyncError(thrown, "transient");
  return c.json({ error: error.code, message: error.message }, ERROR_TABLE[error.code].httpStatus);
});

export default app;

function requireUpgrade(request: Request): void {
  if (request.headers.get("Upgrade")?.toLowerCase() === "websocket") return;
  throw new SpriteSyncError("bad-frame", "this address speaks WebSocket: connect with ws:// or wss://");
}
