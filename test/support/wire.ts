import { WebSocket } from "ws";
import { until } from "./until.ts";

export interface WireMessage {
  readonly action?: string;
  readonly type?: string;
  readonly id?: string;
  readonly home?: string;
  readonly code?: string;
  readonly message?: string;
  readonly header?: unknown;
  readonly sessions?: Record<string, number>;
  readonly isCorrection?: boolean;
  readonly time?: number;
  readonly values?: unknown;
}

/** A bare socket that speaks, or violates, cojson's protocol by hand; only marks it answers by itself. */
export interface Wire {
  readonly received: WireMessage[];
  readonly closed: () => number | undefined;
  send(...messages: unknown[]): void;
  sendRaw(data: string | Buffer): void;
  /** The first message received so far, or from now on, that fits. */
  next(fits: (message: WireMessage) => boolean, what: string): Promise<WireMessage>;
  /** Resolves when a message sent now has been answered: everything sent before has been handled. */
  drained(): Promise<void>;
  close(): Promise<void>;
}

export async function openWire(url: string, headers: Record<string, string> = {}): Promise<Wire> {
  const socket = new WebSocket(url, { headers, perMessageDeflate: false });
  const received: WireMessage[] = [];
  let code: number | undefined;
  let marks = 0;
  socket.on("message", (data) => {
    for (const line of String(data).split("\n")) {
      const message = JSON.parse(line) as WireMessage;
      received.push(message);
      const isMark =
        message.action === "reconcile" && (message.values as unknown[] | undefined)?.length === 0;
      if (isMark) socket.send(JSON.stringify({ action: "reconcile-ack", id: message.id }));
    }
  });
  socket.on("close", (closeCode) => {
    code = closeCode;
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("open", () => resolve());
    socket.once("error", reject);
    socket.once("unexpected-response", (_, response) => reject(new Error(`answered ${response.statusCode}`)));
  });
  socket.on("error", () => undefined);
  const next: Wire["next"] = (fits, what) => until(() => received.find(fits), { what });
  return {
    received,
    closed: () => code,
    send: (...messages) => socket.send(messages.map((message) => JSON.stringify(message)).join("\n")),
    sendRaw: (data) => socket.send(data),
    next,
    async drained() {
      // An empty reconciliation is acknowledged at once and in order, by its own id.
      const id = `drained-${++marks}`;
      socket.send(JSON.stringify({ action: "reconcile", id, values: [] }));
      await next((message) => message.action === "reconcile-ack" && message.id === id, "an answer");
    },
    async close() {
      socket.close();
      await until(() => code !== undefined, { what: "the socket closing" });
    },
  };
}
