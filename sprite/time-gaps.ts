/**
 * Notices that this process did not run for a while: its host was paused, warm, and has resumed with all memory.
 *
 * Of two clocks, because each may stand still in a pause: the monotonic one does in a virtual machine that is suspended, and
 * the wall clock may lag for seconds after it (facts/fly-machines §2.5).
 */
export class TimeGaps {
  readonly #limitMs: number;
  #last: { readonly monotonic: number; readonly wall: number } | undefined;

  /** @param limitMs a gap that long proves a pause; connections are surely lost then. */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /**
   * To be called regularly, far more often than the limit.
   * @returns the gap since the last call in milliseconds, if it was a pause.
   */
  next(monotonic: number, wall: number): number | undefined {
    const last = this.#last;
    this.#last = { monotonic, wall };
    if (!last) return undefined;
    const gap = Math.max(monotonic - last.monotonic, wall - last.wall);
    return gap >= this.#limitMs ? Math.round(gap) : undefined;
  }
}
