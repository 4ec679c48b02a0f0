import { WebSocket } from "ws";
import type { GroupId } from "../../../shared/ids.ts";
import { PASS_HEADER, parsePassKeys, signPass } from "../../../shared/pass.ts";
import { PASS_SECRET } from "./sprite-process.ts";

const PASS_KEYS = parsePassKeys(PASS_SECRET);

/** A message as it comes from a Sprite; nothing in it is checked. */
export interface Received {
  readonly action?: string;
  readonly type?: string;
  readonly code?: string;
  readonly message?: string;
  readonly id?: string;
  readonly header?: unknown;
  readonly sessions?: Record<string, number>;
  readonly isCorrection?: boolean;
  readonly new?: Record<string, { readonly after: number; readonly newTransactions: readonly unknown[] }>;
}

/** A socket of the edge's to a Sprite. It goes on hearing after its Sprite was killed, until everything is heard. */
export interface UpstreamSocket {
  readonly closed: Promise<void>;
  send(message: unknown): void;
}

/**
 * Opens a socket as the edge does, with a pass. Resolves when the Sprite has taken it.
 * @param heard each message, from the hello on
 * @throws Error with what the Sprite answered in place of it, or that the connection broke
 */
export async function openUpstream(
  port: number,
  home: GroupId,
  heard: (message: Received) => void,
): Promise<UpstreamSocket> {
  const pass = await signPass({ home, session: "crash", after: 0 }, PASS_KEYS);
  const headers = { [PASS_HEADER]: pass };
  const socket = new WebSocket(`ws://127.0.0.1:${port}/sync`, { headers, perMessageDeflate: false });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("message", (data) => {
    for (const line of data.toString().split("\n")) heard(JSON.parse(line) as Received);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("open", () => resolve());
    socket.on("error", reject);
    socket.once("unexpected-response", (request, response) => {
      response.setEncoding("utf8");
      response.once("data", (body) => reject(new Error(`${response.statusCode}: ${String(body)}`)));
      response.once("end", () => request.destroy());
    });
  });
  return {
    closed,
    send: (message) => socket.send(JSON.stringify(message), () => undefined),
  };
}
