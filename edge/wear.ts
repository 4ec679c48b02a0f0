import { LIMITS } from "../shared/limits.ts";

/**
 * What a message costs in workerd's CPU time (ms), both legs and Miniflare's own part counted: measured by
 * `npm run bench -- --only edge` and rounded up (docs/benchmarks.md: 191 µs for a message and its answer one at a time, 10 µs
 * for each of many in a frame, 266 µs for 100 KB).
 */
const FRAME_MS = 0.1;
const MESSAGE_MS = 0.01;
const CHAR_MS = 0.003 / 1024;

/**
 * How much of what one invocation of the Worker may use a session has used. A browser's socket is one invocation for its
 * whole life, with one budget of CPU time and one of subrequests (facts/cloudflare §1.1): when either is spent, workerd ends
 * all its sockets without a word. workerd does not tell how much is left, so it is estimated.
 */
export class Wear {
  #cpuMs = 0;
  #subrequests = 0;

  /** A frame came from the client or goes to it, with so many messages. */
  frame(chars: number, messages: number): void {
    this.#cpuMs += FRAME_MS + messages * MESSAGE_MS + chars * CHAR_MS;
  }

  /** A fetch, a call of a Durable Object, an operation of KV. */
  subrequest(): void {
    this.#subrequests++;
  }

  /** 0 when new, 1 when one of the budgets is spent. */
  get spent(): number {
    return Math.max(this.#cpuMs / LIMITS.invocationCpuMs, this.#subrequests / LIMITS.invocationSubrequests);
  }
}
