import { parseHello } from "../shared/control.ts";
import { SpriteSyncError } from "../shared/errors.ts";
import { joinFrame } from "../shared/frames.ts";
import type { GroupId } from "../shared/ids.ts";
import { CLOSE } from "../shared/limits.ts";
import type { AwakePeriod } from "./awake-periods.ts";
import { closeQuietly } from "./close-quietly.ts";
import type { SpriteSocket } from "./upstream-deps.ts";

/** As much of a WebSocket as is used here. */
export interface DialledSocket {
  binaryType: "arraybuffer" | "blob";
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { code: number }) => void): void;
  addEventListener(type: "error", listener: () => void): void;
  accept(): void;
  send(text: string): void;
  close(code: number, reason: string): void;
}

/** Waits for the hello on a fresh socket. Listeners are set before `accept`: events flow from that moment on. */
export function greeted(socket: DialledSocket, home: GroupId, signal: AbortSignal): Promise<SpriteSocket> {
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
    if (hello?.home === home) {
      const { period: number, boot, version } = hello;
      return resolve(opened({ number, boot, version }));
    }
    closeQuietly(socket, 1000, "not the Sprite that was dialled");
    reject(new SpriteSyncError("wrong-sprite", `what answered for ${home} is another Sprite, or none`));
  });
  const giveUp = () => {
    closeQuietly(socket, 1000, "no hello in time");
    end(1006);
  };
  signal.addEventListener("abort", giveUp);
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
  if (signal.aborted) giveUp();
  return promise;
}
