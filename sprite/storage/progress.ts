import type { WriteStream } from "node:tty";

const BAR_CHARS = 24;
/** Milliseconds between two drawings. */
const REDRAW_MS = 100;

/** One line of a terminal: a bar, and the counts. `total` may be less than `done` when the store grows meanwhile. */
export function progressLine(done: number, total: number, unit = "CoValues"): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const full = Math.floor(share * BAR_CHARS);
  const bar = "█".repeat(full) + "░".repeat(BAR_CHARS - full);
  return `${bar} ${Math.floor(share * 100)} % ${done} of ${Math.max(done, total)} ${unit}`;
}

/** A progress bar on a terminal; nothing anywhere else. */
export class Progress {
  readonly #terminal: WriteStream | undefined;
  readonly #stream: WriteStream;
  #drawn = Number.NEGATIVE_INFINITY;

  constructor(stream: WriteStream) {
    this.#stream = stream;
    this.#terminal = stream.isTTY ? stream : undefined;
  }

  show(done: number, total: number, unit?: string): void {
    const now = performance.now();
    if (this.#terminal === undefined || now - this.#drawn < REDRAW_MS) return;
    this.#drawn = now;
    this.clear();
    this.#terminal.write(progressLine(done, total, unit));
  }

  /** Writes a line that stays. */
  say(line: string): void {
    this.clear();
    this.#stream.write(`${line}\n`);
  }

  /** Takes the bar away. */
  clear(): void {
    this.#terminal?.clearLine(0);
    this.#terminal?.cursorTo(0);
  }
}
