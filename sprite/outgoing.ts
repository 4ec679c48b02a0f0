import { cojsonInternals, PriorityBasedMessageQueue, type SyncMessage } from "cojson";
import type { WebSocket } from "ws";
import { joinFrame } from "../shared/frames.ts";

const { CO_VALUE_PRIORITY } = cojsonInternals;

/** cojson's own: small messages share a frame up to about this many characters (`WEBSOCKET_CONFIG`). */
const FRAME_CHARS = 25_000;
/** Bytes that may wait in the socket before content waits in the priority queue, where urgent content overtakes it. */
const BUFFERED_BYTES = 256 * 1024;

/**
 * What goes to one socket: several messages a frame, urgent CoValues first, and never more in the socket's buffer than
 * it can pass on, so that a slow reader of a large file still gets acks and groups at once.
 */
export class Outgoing {
  private readonly socket: WebSocket;
  private readonly queue = new PriorityBasedMessageQueue(CO_VALUE_PRIORITY.HIGH, "outgoing", {
    peerRole: "client",
  });
  /** Ready-made texts: control messages, which go before everything else. */
  private texts: string[] = [];
  private queued = 0;
  private scheduled = false;

  constructor(socket: WebSocket) {
    this.socket = socket;
  }

  /** Whether everything was handed to the network. */
  get isDrained(): boolean {
    return this.isEmpty && this.socket.bufferedAmount === 0;
  }

  private get isEmpty(): boolean {
    return this.queued === 0 && this.texts.length === 0;
  }

  push(message: SyncMessage): void {
    this.queue.push(message);
    this.queued++;
    this.schedule();
  }

  pushText(text: string): void {
    this.texts.push(text);
    this.schedule();
  }

  /** Sends everything that waits, whatever the socket's buffer holds already. */
  flushAll(): void {
    this.flush(Number.POSITIVE_INFINITY);
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    // After the current run: a node that handles a frame of a hundred messages answers with few frames.
    queueMicrotask(() => {
      this.scheduled = false;
      this.flush(BUFFERED_BYTES);
    });
  }

  private flush(limit: number): void {
    if (this.socket.readyState !== this.socket.OPEN) return;
    while (this.socket.bufferedAmount < limit) {
      const frame = this.nextFrame();
      if (frame === undefined) return;
      // The callback comes when the kernel has taken the frame: time to look again.
      this.socket.send(frame, () => {
        if (!this.isEmpty) this.schedule();
      });
    }
  }

  private nextFrame(): string | undefined {
    const messages = this.texts;
    this.texts = [];
    let chars = messages.reduce((sum, text) => sum + text.length, 0);
    while (chars < FRAME_CHARS) {
      const message = this.queue.pull();
      if (!message) break;
      this.queued--;
      const text = JSON.stringify(message);
      messages.push(text);
      chars += text.length;
    }
    return messages.length > 0 ? joinFrame(messages) : undefined;
  }
}
