import { WebSocket } from "ws";
import type { Exchange } from "./exchange.ts";

/** One way to a Sprite: through the edge, through the pass-through Worker, or straight. */
export interface Lane {
  readonly name: string;
  /** Whether the way leads through workerd. */
  readonly throughWorkerd: boolean;
  /** Sends each message when the one before has been answered. @returns milliseconds for all. */
  oneByOne(exchange: Exchange): Promise<number>;
  /** Sends everything at once, then waits for all answers. @returns milliseconds for all. */
  allAtOnce(exchange: Exchange): Promise<number>;
  close(): void;
}

export interface LaneOptions {
  readonly name: string;
  readonly throughWorkerd: boolean;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How a mark begins: by its answer the edge knows how far a client has read (docs/protocol.md). */
const MARK = '{"action":"reconcile",';

/**
 * Opens a bare socket. It knows of cojson only how an answer begins, and how to answer marks, so that the client's own cost
 * stays small.
 */
export async function openLane({ name, throughWorkerd, url, headers = {} }: LaneOptions): Promise<Lane> {
  const socket = new WebSocket(url, { headers: { ...headers }, perMessageDeflate: false });
  const nothing: Pick<Exchange, "answer" | "ids"> = { answer: "nothing", ids: new Set() };
  let awaited = { exchange: nothing, left: 0, done: () => {}, fail: (_: Error) => {} };
  socket.on("message", (data) => {
    for (const text of String(data).split("\n")) {
      if (text.startsWith(MARK)) socket.send(answerTo(text));
      else if (isAnswer(text, awaited.exchange) && --awaited.left === 0) awaited.done();
    }
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("open", () => resolve());
    socket.once("error", reject);
  });
  const fail = () => awaited.fail(new Error(`${name}: the socket closed before all answers came`));
  socket.on("error", fail);
  socket.on("close", fail);

  const answers = (exchange: Exchange, left: number) =>
    new Promise<void>((done, fail) => {
      awaited = { exchange, left, done, fail };
    });
  return {
    name,
    throughWorkerd,
    async oneByOne(exchange) {
      const begun = performance.now();
      for (const frame of exchange.frames) {
        const answered = answers(exchange, exchange.perFrame);
        socket.send(frame);
        await answered;
      }
      return performance.now() - begun;
    },
    async allAtOnce(exchange) {
      const begun = performance.now();
      const answered = answers(exchange, exchange.perFrame * exchange.frames.length);
      for (const frame of exchange.frames) socket.send(frame);
      await answered;
      return performance.now() - begun;
    },
    close() {
      socket.off("close", fail);
      socket.close();
    },
  };
}

function isAnswer(text: string, { answer, ids }: Pick<Exchange, "answer" | "ids">): boolean {
  return text.startsWith(answer) && ids.has(text.slice(answer.length, text.indexOf('"', answer.length)));
}

function answerTo(mark: string): string {
  const { id } = JSON.parse(mark) as { id: string };
  return JSON.stringify({ action: "reconcile-ack", id });
}
