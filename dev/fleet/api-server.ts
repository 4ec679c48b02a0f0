import { timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Log } from "../../shared/log.ts";
import type { Handler } from "./api-machines.ts";
import type { Answer, ApiCall, ApiFault, FaultBox } from "./faults.ts";
import { newUlid } from "./fly-ids.ts";
import { Refusal } from "./refusal.ts";

/** A call and what it was answered with, as it went over the wire. */
export interface ApiExchange extends ApiCall {
  readonly answer: Answer;
  /** Whether a fault had its hand in the answer. */
  readonly faulted: boolean;
}

export interface ApiServerDeps {
  readonly appName: string;
  readonly token: string;
  readonly handlers: Readonly<Record<string, Handler>>;
  readonly faults: FaultBox;
  /** Asked before every call; a call that it does not allow is answered 429. */
  readonly allows: (operation: string, machineId: string | undefined) => boolean;
  readonly log: Log;
  readonly onExchange: ((exchange: ApiExchange) => void) | undefined;
}

const MACHINE = "/machines/:machineId";
/** Method and path below `/v1/apps/:app`, by the OpenAPI document's `operationId`. */
const ROUTES: readonly (readonly [operation: string, method: string, path: string])[] = [
  ["Machines_list", "GET", "/machines"],
  ["Machines_create", "POST", "/machines"],
  ["Machines_show", "GET", MACHINE],
  ["Machines_update", "POST", MACHINE],
  ["Machines_delete", "DELETE", MACHINE],
  ["Machines_start", "POST", `${MACHINE}/start`],
  ["Machines_stop", "POST", `${MACHINE}/stop`],
  ["Machines_suspend", "POST", `${MACHINE}/suspend`],
  ["Machines_wait", "GET", `${MACHINE}/wait`],
  ["Machines_list_events", "GET", `${MACHINE}/events`],
  ["Machines_show_metadata", "GET", `${MACHINE}/metadata`],
  ["Machines_update_metadata", "PATCH", `${MACHINE}/metadata`],
  ["Machines_update_metadata", "PUT", `${MACHINE}/metadata`],
  ["Volumes_list", "GET", "/volumes"],
  ["Volumes_create", "POST", "/volumes"],
  ["Volumes_get_by_id", "GET", "/volumes/:volumeId"],
  ["Volume_delete", "DELETE", "/volumes/:volumeId"],
];
const PATTERNS = ROUTES.map(([operation, method, path]) => ({
  operation,
  method,
  pattern: new URLPattern({ pathname: `/v1/apps/:app${path}` }),
}));

/** The local Machines API as an HTTP server that does not listen yet. */
export function createApiServer(deps: ApiServerDeps): Server {
  return createServer((request, response) => {
    serve(request, response, deps).catch((error: Error) => {
      // The host must live on; the client sees what Fly's gateway would show it.
      deps.log.error({ error: error.message }, "the local Machines API failed");
      if (!response.headersSent) send(response, { status: 500, body: { error: "internal" } });
    });
  });
}

async function serve(request: IncomingMessage, response: ServerResponse, deps: ApiServerDeps): Promise<void> {
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  const url = new URL(request.url ?? "/", "http://localhost");
  const route = PATTERNS.find(({ method, pattern }) => method === request.method && pattern.test(url));
  if (!isAuthorized(request.headers.authorization, deps.token)) {
    return send(response, { status: 401, body: { error: "unauthorized" } });
  }
  const names = route?.pattern.exec(url)?.pathname.groups;
  if (!route || names?.app !== deps.appName) {
    return send(response, { status: 404, body: { error: `no such app or route: ${url.pathname}` } });
  }
  const call: ApiCall = {
    operation: route.operation,
    method: route.method,
    path: url.pathname.slice("/v1".length),
    query: Object.fromEntries(url.searchParams),
    machineId: names.machineId,
    body: await readJson(request),
  };
  const fault = deps.faults.takeApi(call);
  const answer = await answerOf(call, fault, deps, gone.signal);
  if (!answer) return;
  deps.onExchange?.({ ...call, answer, faulted: fault !== undefined });
  send(response, answer);
}

/** What the call is answered with, faults included; `undefined` when the client shall wait for ever. */
async function answerOf(
  call: ApiCall,
  fault: ApiFault | undefined,
  deps: ApiServerDeps,
  gone: AbortSignal,
): Promise<Answer | undefined> {
  if (fault?.kind === "answer") return fault.answer;
  if (fault?.kind === "hang") return undefined;
  if (fault?.kind === "hold") await fault.until;
  const answer = await handle(call, deps, gone);
  if (fault?.kind === "do-but-answer") return fault.answer;
  return fault?.kind === "do-but-hang" ? undefined : answer;
}

async function handle(call: ApiCall, deps: ApiServerDeps, gone: AbortSignal): Promise<Answer> {
  try {
    // The body and Retry-After of Fly's 429 are not documented: none is given here (facts/fly-machines §6).
    if (!deps.allows(call.operation, call.machineId)) throw new Refusal(429, "rate limit exceeded");
    const handler = deps.handlers[call.operation];
    if (!handler) throw new Refusal(501, `the local host has no ${call.operation}`);
    return await handler(call, gone);
  } catch (error) {
    if (error instanceof Refusal) return error.answer;
    throw error;
  }
}

/** Whether a header carries the token, in either scheme. */
export function isAuthorized(header: string | undefined, token: string): boolean {
  const given = Buffer.from((header ?? "").replace(/^(Bearer|FlyV1) /, ""));
  const wanted = Buffer.from(token);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // Handlers refuse what is no object, with the 400 that Fly gives too.
    return text;
  }
}

function send(response: ServerResponse, { status, body, headers }: Answer): void {
  const isText = typeof body === "string";
  const type = isText ? (body.startsWith("<") ? "text/html" : "text/plain") : "application/json";
  response.writeHead(status, {
    ...(body === undefined ? {} : { "content-type": type }),
    "fly-request-id": newUlid(),
    ...headers,
  });
  response.end(isText ? body : body === undefined ? undefined : JSON.stringify(body));
}
