import { type ErrorCode, SpriteSyncError } from "../shared/errors.ts";
import type { GroupId } from "../shared/ids.ts";
import { PASS_HEADER, type PassKeys, signPass } from "../shared/pass.ts";
import { greeted } from "./greet.ts";
import type { FreshPlace, SpritePlace } from "./sprite-place.ts";
import type { SpriteSocket } from "./upstream-deps.ts";

export interface DialOptions {
  readonly home: GroupId;
  readonly place: SpritePlace | FreshPlace;
  /** The edge's session id. */
  readonly session: string;
  readonly keys: PassKeys;
  /** The fleet's secret headers for an address; not part of `place`, because that is kept in caches. */
  readonly credentials: (place: SpritePlace) => Readonly<Record<string, string>>;
  /** From here to the hello, milliseconds. */
  readonly timeoutMs: number;
  /** Aborts when the session ends. */
  readonly ended: AbortSignal;
}

/**
 * Opens a socket to a Sprite and waits until it has said who it is.
 * @throws SpriteSyncError `wrong-sprite`, `auth`, `transient`, `overloaded` or `asleep`; it never hangs.
 */
export async function dialSprite(options: DialOptions): Promise<SpriteSocket> {
  const { home, place, session, keys, timeoutMs, ended } = options;
  const after = "after" in place ? place.after : undefined;
  const pass = await signPass({ home, session, after }, keys);
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), timeoutMs);
  const signal = AbortSignal.any([timeout.signal, ended]);
  // The fetch has a signal of its own, that is let go of with the 101: workerd ties the socket to it for the socket's whole
  // life, and would abort it with two lines of ERROR when the session ends, instead of letting us close it.
  const fetching = new AbortController();
  const stopFetching = () => fetching.abort();
  if (ended.aborted) stopFetching();
  signal.addEventListener("abort", stopFetching);
  try {
    // fetch takes http(s) for an upgrade, and allows headers, which `new WebSocket` does not (facts/cloudflare §1.5).
    const response = await fetch(`${place.url}/sync`, {
      headers: {
        ...place.headers,
        ...options.credentials(place),
        Upgrade: "websocket",
        [PASS_HEADER]: pass,
      },
      redirect: "manual",
      signal: fetching.signal,
    });
    const socket = response.webSocket;
    if (!socket) throw await refusal(response, home);
    signal.removeEventListener("abort", stopFetching);
    return await greeted(socket, home, signal);
  } catch (error) {
    if (error instanceof SpriteSyncError) throw error;
    const what = timeout.signal.aborted ? `no hello within ${timeoutMs} ms` : String(error);
    throw new SpriteSyncError("transient", `the Sprite of ${home} could not be reached: ${what}`, {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stopFetching);
  }
}

const REFUSALS: Readonly<Record<number, ErrorCode>> = {
  // Fly Sprites send whoever they do not know to a page for logging in (facts/fly-sprites §4).
  302: "auth",
  401: "auth",
  403: "auth",
  421: "wrong-sprite",
  // Their plan's running cap; the coordinator, asked next, waits for a slot.
  429: "capacity",
  503: "asleep",
};

async function refusal(response: Response, home: GroupId): Promise<SpriteSyncError> {
  const body = (await response.text()).slice(0, 200);
  // A Sprite that cannot serve answers 503 and says why; so does a proxy in front of one that does not run.
  const diskFails = response.status === 503 && body.startsWith("storage-failed: ");
  const code = diskFails ? "storage-failed" : (REFUSALS[response.status] ?? "transient");
  return new SpriteSyncError(code, `the Sprite of ${home} answered ${response.status}: ${body}`);
}
