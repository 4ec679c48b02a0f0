import { parseHello } from "../shared/control.ts";
import { type ErrorCode, SpriteSyncError } from "../shared/errors.ts";
import { joinFrame } from "../shared/frames.ts";
import type { GroupId } from "../shared/ids.ts";
import { CLOSE, LIMITS } from "../shared/limits.ts";
import { PASS_HEADER, type PassKeys, signPass } from "../shared/pass.ts";
import type { AwakePeriod } from "./awake-periods.ts";
import type { FreshPlace, SpritePlace } from "./sprite-place.ts";
import type { SpriteSocket } from "./upstream.ts";

export interface DialOptions {
  readonly home: GroupId;
  readonly place: SpritePlace | FreshPlace;
  /** The edge's session id. */
  readonly session: string;
  readonly keys: PassKeys;
}

/**
 * Opens a socket to a Sprite and waits until it has said who it is.
 * @throws SpriteSyncError `wrong-sprite`, `auth`, `transient`, `overloaded` or `asleep`; it never hangs.
 */
export async function dialSprite({ home, place, session, keys }: DialOptions): Promise<SpriteSocket> {
  const after = "after" in place ? place.after : undefined;
  const pass = await signPass({ home, session, after }, keys);
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), LIMITS.dialTimeoutMs);
  try {
    // fetch takes http(s) for an upgrade, and allows headers, which `new WebSocket` does not (facts/cloudflare §1.5).
    const response = await fetch(`${place.url}/sync`, {
      headers: { ...place.headers, Upgrade: "websocket", [PASS_HEADER]: pass },
      redirect: "manual",
      signal: abort.signal,
    });
    const socket = response.webSocket;
    if (!socket) throw await refusal(response, home);
    return await greeted(socket, home, abort.signal);
  } catch (error) {
    if (error instanceof SpriteSyncError) throw error;
    const what = abort.signal.aborted ? `no hello within ${LIMITS.dialTimeoutMs} ms` : String(error);
    throw new SpriteSyncError("transient", `the Sprite of ${home} could not be reached: ${what}`, {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}

const REFUSALS: Readonly<Record<number, ErrorCode>> = {
  401: "auth",
  403: "auth",
  421: "wrong-sprite",
  503: "asleep",
};

async function refusal(response: Response, home: GroupId): Promise<SpriteSyncError> {
  const body = (await response.text()).slice(0, 200);
  const code = REFUSALS[response.status] ?? "transient";
  return new SpriteSyncError(code, `the Sprite of ${home} answered ${response.status}: ${body}`);
}

/** Waits for the hello on a fresh socket. Listeners are set before `accept`: events flow from that moment on. */
function greeted(socket: WebSocket, home: GroupId, signal: AbortSignal): Promise<SpriteSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<SpriteSocket>();
  const early: unknown[] = [];
  let handlers: Parameters<SpriteSocket["listen"]>[0] | undefined;
  let greeting = true;
  let closed: number | undefined;

  const end = (code: number) => {
    if (closed !== undefined) return;
    closed = code;
    reject(
      new SpriteSyncError(
        code === CLOSE.asleep ? "asleep" : "transient",
        `the socket closed (${code}) before a hello`,
      ),
    );
    handlers?.onClose(code);
  };
  socket.addEventListener("close", ({ code }) => end(code));
  socket.addEventListener("error", () => end(1006));
  socket.addEventListener("message", ({ data }) => {
    if (!greeting) {
      if (handlers) handlers.onFrame(data);
      else early.push(data);
      return;
    }
    greeting = false;
    // A Sprite may join its first messages into one frame.
    const [first = "", ...rest] = String(data).split("\n");
    if (rest.length > 0) early.push(joinFrame(rest));
    const hello = parseHello(first);
    if (hello?.home === home) return resolve(opened({ number: hello.period, boot: hello.boot }));
    closeQuietly(socket, 1000, "not the Sprite that was dialled");
    reject(new SpriteSyncError("wrong-sprite", `what answered for ${home} is another Sprite, or none`));
  });
  signal.addEventListener("abort", () => {
    closeQuietly(socket, 1000, "no hello in time");
    end(1006);
  });
  const opened = (period: AwakePeriod): SpriteSocket => ({
    period,
    send: (frame) => {
      // After a lost connection the state still reads OPEN and frames vanish (facts/cloudflare §1.3): repair covers it.
      if (closed === undefined) socket.send(frame);
    },
    close: (code, reason) => closeQuietly(socket, code, reason),
    listen: (given) => {
      handlers = given;
      for (const data of early.splice(0)) given.onFrame(data);
      if (closed !== undefined) given.onClose(closed);
    },
  });
  socket.binaryType = "arraybuffer";
  socket.accept();
  return promise;
}

/** Closes a socket that may be closed already; the runtime then throws. */
export function closeQuietly(socket: WebSocket, code: number, reason: string): void {
  try {
    socket.close(code, reason);
  } catch {
    // Closed already, or never opened: what we wanted.
  }
}
