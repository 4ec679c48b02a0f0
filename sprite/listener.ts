import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { SpriteSyncError } from "../shared/errors.ts";

/** Who answers what arrives. */
export interface Handlers {
  readonly request: (request: IncomingMessage, response: ServerResponse) => void;
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

/**
 * An HTTP server that listens before there is anybody to answer: whoever wakes a Sprite connects while the rest of the
 * program is loaded. What arrives meanwhile waits for {@link serve}.
 */
export class Listener {
  /** The port it listens on; rejects with `config-invalid` when it cannot. */
  readonly port: Promise<number>;
  readonly http: Server;
  private readonly handlers = Promise.withResolvers<Handlers>();

  /** @param port 0 takes any free one. */
  constructor(port: number, host?: string) {
    const { promise: handlers } = this.handlers;
    this.http = createServer((request, response) => {
      void handlers.then((handler) => handler.request(request, response));
    });
    this.http.on("upgrade", (request, socket, head) => {
      // The socket may break while it waits, or while its pass is checked.
      socket.on("error", () => socket.destroy());
      void handlers.then((handler) => handler.upgrade(request, socket, head));
    });
    this.port = this.listen(port, host);
    // Whoever serves hears of it; until then it is nobody's.
    this.port.catch(() => undefined);
  }

  /** Answers from now on, also what has been waiting. */
  serve(handlers: Handlers): void {
    this.handlers.resolve(handlers);
  }

  /** Takes no more connections, and ends those that it has. */
  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.http.close(() => resolve()));
    this.http.closeAllConnections();
    return closed;
  }

  private listen(port: number, host: string | undefined): Promise<number> {
    return new Promise((resolve, fail) => {
      this.http.once("error", (error) => {
        fail(
          new SpriteSyncError("config-invalid", `cannot listen on port ${port}; set PORT`, { cause: error }),
        );
      });
      this.http.listen(port, host, () => {
        const address = this.http.address();
        resolve(typeof address === "object" && address !== null ? address.port : port);
      });
    });
  }
}
