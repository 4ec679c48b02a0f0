import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import type { Writable } from "node:stream";
import { isAuthorized } from "../api-server.ts";
import { dial } from "../dial.ts";
import type { FaultBox } from "../faults.ts";
import type { Target } from "../proxy.ts";
import { Refusal } from "../refusal.ts";
import type { LocalSprite } from "./local-sprite.ts";
import type { SpritesRegistry } from "./registry.ts";

export interface SpriteTargetDeps {
  readonly registry: SpritesRegistry;
  readonly token: string;
  readonly faults: FaultBox;
}

/** The name under which faults strike requests to Sprites' addresses. */
export const VISIT = "visit";
const CONNECT_RETRY_MS = 10;

/**
 * Stands for the edge of `*.sprites.app` (facts/fly-sprites §4). Here the Sprite's name is the first part of the path, since
 * not every system finds names below `localhost`.
 *
 * - Who has no token is sent to a page where people log in, with 302. The token stays here.
 * - A Sprite that sleeps is woken, and its http service started even if it was stopped.
 * - While nothing listens, the visitor waits: there is no 502.
 *
 * @throws Refusal with the answer.
 */
export async function reachSprite(
  request: IncomingMessage,
  visitor: Writable,
  { registry, token, faults }: SpriteTargetDeps,
): Promise<Target> {
  const [, name = "", rest = "/"] = /^\/([^/?]+)([/?].*)?$/.exec(request.url ?? "") ?? [];
  const sprite = registry.find(name);
  if (!sprite) throw new Refusal(404, "sprite not found");
  if (sprite.state.auth === "sprite" && !isAuthorized(request.headers.authorization, token)) {
    const location = `https://sprites.dev/auth/sprite?return_url=${encodeURIComponent(rest)}`;
    throw new Refusal(302, "log in", { headers: { location } });
  }
  const call = { operation: VISIT, method: request.method ?? "", path: rest, query: {}, body: undefined };
  const fault = faults.takeApi({ ...call, machineId: name });
  if (fault?.kind === "answer") {
    const { status, body, headers } = fault.answer;
    throw new Refusal(status, String(body ?? ""), headers ? { headers } : {});
  }
  if (fault?.kind === "hang") await left(visitor);
  if (fault?.kind === "hold") await fault.until;
  const end = await sprite.work();
  try {
    const target = await connect(sprite, visitor);
    target.once("close", end);
    return { id: name, socket: target, path: rest, headers: forwarded(request, sprite) };
  } catch (error) {
    end();
    throw error;
  }
}

async function connect(sprite: LocalSprite, visitor: Writable) {
  for (;;) {
    if (visitor.destroyed) throw new Refusal(499, "the visitor has left");
    if (sprite.status !== "running") throw new Refusal(502, "the sprite was paused");
    const service = sprite.httpService;
    service?.start();
    const { port } = service ?? {};
    const socket = port === undefined ? undefined : await dial(port);
    if (socket && service?.port === port && !visitor.destroyed) return socket;
    socket?.destroy();
    await new Promise((next) => setTimeout(next, CONNECT_RETRY_MS));
  }
}

function left(visitor: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (visitor.destroyed) resolve();
    visitor.once("close", () => resolve());
  });
}

function forwarded(request: IncomingMessage, { state }: LocalSprite): OutgoingHttpHeaders {
  const { authorization, ...headers } = request.headers;
  return {
    ...headers,
    ...(state.auth === "public" && authorization && { authorization }),
    "sprite-client-ip": request.socket.remoteAddress ?? "",
    via: "1.1 local",
    "x-forwarded-proto": "http",
  };
}
