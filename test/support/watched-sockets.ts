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

/** What went through all sockets of a client. */
export interface Traffic {
  /** Bytes of messages that it sent. */
  sentBytes: number;
  /** How often it was asked to send a value again, by the value's id. */
  readonly corrections: Map<string, number>;
}

/** Every socket that one client opens, and how each of them ends. */
export interface WatchedSockets {
  readonly traffic: Traffic;
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
  const traffic: Traffic = { sentBytes: 0, corrections: new Map() };
  let closures = 0;
  const Socket = class extends WebSocket {
    #gaveUp = false;

    constructor(url: string) {
      super(url);
      const begunAt = performance.now();
      let wasOpen = false;
      const socket: WebSocket = this as never;
      watched.add(socket);
      // cojson-transport-ws takes its listeners away when it lets go of a socket that may yet be refused; "close" follows.
      this.on("error", () => undefined);
      this.on("open", () => {
        wasOpen = true;
      });
      this.on("message", (data) => countCorrections(String(data), traffic.corrections));
      this.on("close", (code) => {
        if (!watched.delete(socket)) return;
        closures++;
        onEnd({ wasOpen, gaveUp: this.#gaveUp, code, begunAt, endedAt: performance.now() });
      });
    }

    // cojson-transport-ws gives it nothing but a text.
    override send(text: Parameters<WebSocket["send"]>[0]): void {
      traffic.sentBytes += Buffer.byteLength(String(text));
      super.send(text);
    }

    override close(code?: number, reason?: string): void {
      this.#gaveUp = true;
      super.close(code, reason);
    }
  };
  return {
    traffic,
    Socket,
    closures: () => closures,
    letGo: () => watched.clear(),
  };
}

function countCorrections(frame: string, corrections: Map<string, number>): void {
  if (!frame.includes('"isCorrection":true')) return;
  for (const text of frame.split("\n")) {
    const { id, isCorrection }: { id: string; isCorrection?: boolean } = JSON.parse(text);
    if (isCorrection) corrections.set(id, (corrections.get(id) ?? 0) + 1);
  }
}
