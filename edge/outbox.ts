import { joinFrame } from "../shared/frames.ts";

/** A frame is sent once it is this long, so that one burst does not become one huge frame. */
const FRAME_CHARS = 64 * 1024;

// workerd's queueMicrotask crosses into C++ and costs microseconds; the reaction of a settled promise does not.
const settled = Promise.resolve();

/** Joins the messages that one turn of the event loop makes for one socket into few frames; keeps their order. */
export class Outbox {
  readonly #send: (frame: string) => void;
  readonly #flush = () => this.flush();
  #messages: string[] = [];
  #chars = 0;

  constructor(send: (frame: string) => void) {
    this.#send = send;
  }

  push(message: string): void {
    if (this.#messages.length === 0) void settled.then(this.#flush);
    this.#messages.push(message);
    this.#chars += message.length;
    if (this.#chars >= FRAME_CHARS) this.flush();
  }

  flush(): void {
    const messages = this.#messages;
    const [first] = messages;
    if (first === undefined) return;
    this.#messages = [];
    this.#chars = 0;
    this.#send(messages.length === 1 ? first : joinFrame(messages));
  }
}
