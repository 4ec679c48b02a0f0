import { closeQuietly } from "./close-quietly.ts";

/** As much of a WebSocket as a hotline uses. */
export interface HotlineSocket {
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close" | "error", listener: () => void): void;
  accept(): void;
  send(text: string): void;
  close(code: number, reason: string): void;
}

export interface HotlineDeps {
  /** Opens the socket: a fetch to a Durable Object with `Upgrade: websocket`. */
  readonly connect: () => Promise<{ readonly webSocket: HotlineSocket | null }>;
  readonly onOpen?: (send: (text: string) => void) => void;
  readonly onMessage: (text: string) => void;
  /** Resolves after a pause that grows with `attempt`; rejects when the session ends. */
  readonly pause: (attempt: number) => Promise<void>;
}

/**
 * A session's socket to a Durable Object that holds it hibernated. It is opened again whenever it breaks (the object
 * moved, the Worker was deployed), until it is closed from this side.
 */
export class Hotline {
  readonly #deps: HotlineDeps;
  #socket: HotlineSocket | undefined;
  #closed = false;

  constructor(deps: HotlineDeps) {
    this.#deps = deps;
    void this.#run();
  }

  /** Sends now, or not at all: whatever must survive a reconnection is sent by `onOpen`. */
  send(text: string): void {
    try {
      this.#socket?.send(text);
    } catch {
      // Broken: `onOpen` follows.
    }
  }

  close(): void {
    this.#closed = true;
    if (this.#socket) closeQuietly(this.#socket, 1000, "");
  }

  async #run(): Promise<void> {
    for (let attempt = 0; !this.#closed; attempt++) {
      try {
        if (attempt > 0) await this.#deps.pause(attempt);
      } catch {
        return;
      }
      try {
        if (!this.#closed && (await this.#once())) attempt = 0;
      } catch {
        // The object is not reachable now; the next attempt comes later.
      }
    }
  }

  /** @returns when the socket has closed, whether it had been open. */
  async #once(): Promise<boolean> {
    const { webSocket: socket } = await this.#deps.connect();
    if (!socket) return false;
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    socket.addEventListener("close", () => resolve());
    socket.addEventListener("error", () => resolve());
    socket.addEventListener("message", ({ data }) => !this.#closed && this.#deps.onMessage(String(data)));
    socket.accept();
    if (this.#closed) closeQuietly(socket, 1000, "");
    this.#socket = socket;
    this.#deps.onOpen?.((text) => this.send(text));
    await ended;
    this.#socket = undefined;
    return true;
  }
}
