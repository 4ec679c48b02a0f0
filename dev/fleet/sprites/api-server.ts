import { createReadStream } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import type { Log } from "../../../shared/log.ts";
import { isAuthorized } from "../api-server.ts";
import type { ApiFault, FaultBox } from "../faults.ts";
import { Refusal } from "../refusal.ts";
import type { SpritesAnswer, SpritesCall, SpritesHandler } from "./call.ts";

/** A call of the Sprites API, as it was answered. */
export interface SpritesExchange extends Omit<SpritesCall, "raw"> {
  readonly status: number;
}

export interface SpritesServerDeps {
  readonly token: string;
  readonly handlers: Readonly<Record<string, SpritesHandler>>;
  readonly faults: FaultBox;
  /** Files that anyone may get below `/files/`, by name: what stands for a download site. */
  readonly files: ReadonlyMap<string, string>;
  readonly log: Log;
  readonly onExchange: ((exchange: SpritesExchange) => void) | undefined;
}

const SPRITE = "/:name";
const SERVICE = `${SPRITE}/services/:service`;
/** Method and path below `/v1/sprites`, by our name of the operation: the platform's document names none. */
const ROUTES: readonly (readonly [operation: string, method: string, path: string])[] = [
  ["listSprites", "GET", ""],
  ["createSprite", "POST", ""],
  ["getSprite", "GET", SPRITE],
  ["updateSprite", "PUT", SPRITE],
  ["deleteSprite", "DELETE", SPRITE],
  ["checkSprite", "GET", `${SPRITE}/check`],
  ["restartSprite", "POST", `${SPRITE}/restart`],
  ["writeFile", "PUT", `${SPRITE}/fs/write`],
  ["exec", "POST", `${SPRITE}/exec`],
  ["getService", "GET", SERVICE],
  ["putService", "PUT", SERVICE],
  ["stopService", "POST", `${SERVICE}/stop`],
  ["restartService", "POST", `${SERVICE}/restart`],
];
const PATTERNS = ROUTES.map(([operation, method, path]) => ({
  operation,
  method,
  pattern: new URLPattern({ pathname: `/v1/sprites${path}` }),
}));

/** The local Sprites API as an HTTP server that does not listen yet. */
export function createSpritesServer(deps: SpritesServerDeps): Server {
  return createServer((request, response) => {
    serve(request, response, deps).catch((error: Error) => {
      deps.log.error({ error: error.message }, "the local Sprites API failed");
      if (response.headersSent) response.destroy();
      else response.writeHead(500, { "content-type": "text/html" }).end("<html>internal error</html>");
    });
  });
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  deps: SpritesServerDeps,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://localhost");
  const file = deps.files.get(decodeURIComponent(url.pathname.slice("/files/".length)));
  if (url.pathname.startsWith("/files/") && file) return void createReadStream(file).pipe(response);
  if (!isAuthorized(request.headers.authorization, deps.token))
    return send(response, { status: 401, body: { error: "unauthorized" } });
  const route = PATTERNS.find(({ method, pattern }) => method === request.method && pattern.test(url));
  if (!route) return send(response, { status: 404, body: "404 page not found" });
  const raw = await buffer(request);
  const call: SpritesCall = {
    operation: route.operation,
    method: route.method,
    path: url.pathname.slice("/v1".length),
    query: Object.fromEntries(url.searchParams),
    params: url.searchParams,
    machineId: route.pattern.exec(url)?.pathname.groups.name,
    body: bodyOf(request, raw),
    raw,
  };
  const answer = await answerOf(call, deps.faults.takeApi(call), deps);
  if (!answer) return;
  const { raw: _, ...seen } = call;
  deps.onExchange?.({ ...seen, status: answer.status });
  await send(response, answer);
}

/** What the call is answered with, faults included; `undefined` when the client shall wait for ever. */
async function answerOf(
  call: SpritesCall,
  fault: ApiFault | undefined,
  deps: SpritesServerDeps,
): Promise<SpritesAnswer | undefined> {
  if (fault?.kind === "answer") return fault.answer;
  if (fault?.kind === "hang") return undefined;
  if (fault?.kind === "hold") await fault.until;
  const answer = await handle(call, deps);
  if (fault?.kind !== "do-but-answer" && fault?.kind !== "do-but-hang") return answer;
  for await (const _ of answer.lines ?? []);
  return fault.kind === "do-but-answer" ? fault.answer : undefined;
}

async function handle(call: SpritesCall, deps: SpritesServerDeps): Promise<SpritesAnswer> {
  try {
    const handler = deps.handlers[call.operation];
    if (!handler) throw new Refusal(501, `the local host has no ${call.operation}`);
    return await handler(call);
  } catch (error) {
    if (error instanceof Refusal) return error.answer;
    throw error;
  }
}

/** A JSON body, only when it says that it is one: without the header the platform sees an empty object. */
function bodyOf(request: IncomingMessage, raw: Buffer): unknown {
  if (!request.headers["content-type"]?.startsWith("application/json")) return {};
  try {
    return JSON.parse(raw.toString());
  } catch {
    return {};
  }
}

async function send(
  response: ServerResponse,
  { status, body, headers, lines }: SpritesAnswer,
): Promise<void> {
  const isText = typeof body === "string";
  const isBytes = body instanceof Uint8Array;
  const type = lines ? "application/x-ndjson" : isText ? textType(body) : "application/json";
  response.writeHead(status, {
    ...(body === undefined && !lines ? {} : { "content-type": type }),
    "sprite-version": "local",
    ...headers,
  });
  for await (const line of lines ?? []) response.write(`${JSON.stringify(line)}\n`);
  response.end(isText || isBytes ? body : body === undefined ? undefined : JSON.stringify(body));
}

function textType(text: string): string {
  return text.startsWith("<") ? "text/html" : "text/plain";
}
