import { WebSocket } from "ws";

/** How a socket ended that its client had not asked to end. Times are those of `performance.now()`. */
export interface SocketEnd {
  /** Whether it had ever been open; a refused connection never was. */
  readonly wasOpen: boolean;
  /** Whether the client itself gave it up, because it heard no ping. */
  readonly gaveUp: boolean;
  readonly code: number;
  readonly begunAt: number;
  readonly endedAt: number;
}

/** Every socket that one client opens, and how each of them ends. */
export interface WatchedSockets {
  /** For cojson-transport-ws. */
  readonly Socket: new (
    url: string,
  ) => WebSocket;
  /** How often a socket was closed by the other side, or lost. */
  closures(): number;
  /** Called before the client closes its socket: that end does not count. */
  letGo(): void;
}

export function watchSockets(onEnd: (end: SocketEnd) => void = () => undefined): WatchedSockets {
  const watched = new Set<WebSocket>();
  let closures = 0;
  const Socket = class extends WebSocket {
    #gaveUp = false;

    constructor(url: string) {
      super(url);
      const begunAt = performance.now();
      let wasOpen = false;
      watched.add(this);
      // cojson-transport-ws takes its listeners away when it lets go of a socket that may yet be refused; "close" follows.
      this.on("error", () => undefined);
      this.on("open", () => {
        wasOpen = true;
      });
      this.on("close", (code) => {
        if (!watched.delete(this)) return;
        closures++;
        onEnd({ wasOpen, gaveUp: this.#gaveUp, code, begunAt, endedAt: performance.now() });
      });
    }

    override close(code?: number, reason?: string): void {
      this.#gaveUp = true;
      super.close(code, reason);
    }
  };
  return {
    Socket,
    closures: () => closures,
    letGo: () => watched.clear(),
  };
}
