import type { WriteStream } from "node:tty";

const BAR_CHARS = 24;
/** Milliseconds between two drawings. */
const REDRAW_MS = 100;

/** One line of a terminal: a bar, and the counts. `total` may be less than `done` when the store grows meanwhile. */
export function progressLine(done: number, total: number): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const full = Math.floor(share * BAR_CHARS);
  const bar = "█".repeat(full) + "░".repeat(BAR_CHARS - full);
  return `${bar} ${Math.floor(share * 100)} % ${done} of ${Math.max(done, total)} CoValues`;
}

/** A progress bar on a terminal; nothing anywhere else. */
export class Progress {
  readonly #stream: WriteStream | undefined;
  #drawn = Number.NEGATIVE_INFINITY;

  constructor(stream: WriteStream) {
    this.#stream = stream.isTTY ? stream : undefined;
  }

  show(done: number, total: number): void {
    const now = performance.now();
    if (this.#stream === undefined || now - this.#drawn < REDRAW_MS) return;
    this.#drawn = now;
    this.clear();
    this.#stream.write(progressLine(done, total));
  }

  /** Makes room for another line. */
  clear(): void {
    this.#stream?.clearLine(0);
    this.#stream?.cursorTo(0);
  }
}
