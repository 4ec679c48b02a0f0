import type { z } from "zod";
import { SpriteSyncError } from "../../shared/errors.ts";
import { flyAuthorization } from "./fly-token.ts";
import { type ApiReply, apiError } from "./machines-errors.ts";
import { APP_TURNS, MACHINES_LIMITS, paceOf } from "./machines-limits.ts";
import { type TurnDeps, takeTurn } from "./turns.ts";

export interface MachinesHttpDeps extends TurnDeps {
  /** `https://api.machines.dev` or a local fleet host; without `/v1`. */
  readonly apiUrl: string;
  readonly appName: string;
  /** As `fly tokens create` prints it, or an OAuth token; see `flyAuthorization`. */
  readonly token: string;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
}

/** One call of the Machines API. */
export interface ApiCall {
  /** Who and what, for messages: "start Machine 9080…". */
  readonly doing: string;
  /** The OpenAPI document's name of the operation: Fly limits the rate of each by itself. */
  readonly operation: string;
  readonly method: "GET" | "POST" | "DELETE";
  /** Below `/v1/apps/<app>`. */
  readonly path: string;
  /** The Machine that it acts on; calls on the app share one limit. */
  readonly machineId?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly timeoutMs?: number;
}

export interface MachinesHttp {
  /** Makes the call once. @throws SpriteSyncError `transient` without an answer, `rate` when its turn is too far away. */
  send(call: ApiCall): Promise<ApiReply>;
  /** Makes the call once and reads its answer. @throws SpriteSyncError for every answer but a 2xx that can be read. */
  call<T>(call: ApiCall, schema: z.ZodType<T>): Promise<T>;
}

export function createMachinesHttp(deps: MachinesHttpDeps): MachinesHttp {
  const base = `${deps.apiUrl.replace(/\/+$/, "")}/v1/apps/${encodeURIComponent(deps.appName)}`;
  const headers = {
    authorization: flyAuthorization(deps.token),
    "content-type": "application/json",
    accept: "application/json",
    "user-agent": "sprite-sync",
  };

  async function send(call: ApiCall): Promise<ApiReply> {
    await takeTurn(call.doing, turnOf(call), deps);
    const query = call.query ? `?${new URLSearchParams(call.query)}` : "";
    try {
      const response = await deps.fetch(base + call.path + query, {
        method: call.method,
        headers,
        redirect: "manual",
        signal: AbortSignal.timeout(call.timeoutMs ?? MACHINES_LIMITS.callMs),
        ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      });
      return { status: response.status, headers: response.headers, body: parseJson(await response.text()) };
    } catch (cause) {
      const name = cause instanceof Error ? cause.name : typeof cause;
      throw new SpriteSyncError("transient", `${call.doing}: Fly gave no answer (${name})`, { cause });
    }
  }

  return {
    send,
    async call(call, schema) {
      const reply = await send(call);
      if (reply.status < 200 || reply.status > 299) throw apiError(call.doing, reply, Date.now());
      return readReply(call, reply, schema);
    },
  };
}

/** The body of a successful answer. Gateways answer HTML and plain text, also with status 200: an answer of nobody. */
export function readReply<T>(call: ApiCall, reply: ApiReply, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(reply.body);
  if (parsed.success) return parsed.data;
  throw new SpriteSyncError(
    "transient",
    `${call.doing}: Fly answered ${reply.status} with a body we cannot read`,
  );
}

/** Fly counts by operation, and by Machine or for the whole app (facts/fly-machines §1.10). */
function turnOf({ operation, machineId }: ApiCall) {
  const key = machineId ? `${operation} ${machineId}` : `${APP_TURNS}${operation}`;
  return { key, pace: paceOf(operation), patienceMs: MACHINES_LIMITS.turnMs };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
