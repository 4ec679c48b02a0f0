import type { Clock } from "../../../edge/clock.ts";
import type { Chance } from "./chance.ts";

interface Planned {
  readonly time: number;
  readonly order: number;
  readonly action: () => void;
  cancelled: boolean;
}

/** Virtual time: a heap of what will happen. Between two events every promise that is ready runs to its end. */
export class Scheduler {
  time = 1_000_000;
  events = 0;
  readonly #heap: Planned[] = [];
  #order = 0;
  readonly #chance: Chance;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  readonly later = (ms: number, action: () => void): (() => void) => {
    const planned = { time: this.time + Math.max(0, ms), order: this.#order++, action, cancelled: false };
    this.#push(planned);
    return () => {
      planned.cancelled = true;
    };
  };

  /** A clock whose timers stop for good when `alive` turns false, as those of a stopped isolate do. */
  clock(alive: () => boolean): Clock {
    return {
      now: () => this.time,
      later: (ms, action) => this.later(ms, () => alive() && action()),
      random: this.#chance.next,
    };
  }

  /** Lets `ms` pass, with everything that happens in them. */
  async pass(ms: number): Promise<void> {
    const end = this.time + ms;
    await turn();
    for (let next = this.#heap[0]; next && next.time <= end; next = this.#heap[0]) {
      this.#pop();
      if (next.cancelled) continue;
      this.time = next.time;
      this.events++;
      next.action();
      await turn();
    }
    this.time = end;
  }

  #push(planned: Planned): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(planned);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (!parent || before(parent, planned)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = planned;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      const left = heap[down];
      if (!left) break;
      const right = heap[down + 1];
      if (right && before(right, left)) down++;
      const child = heap[down];
      if (!child || before(last, child)) break;
      heap[at] = child;
      at = down;
    }
    heap[at] = last;
  }
}

function before(a: Planned, b: Planned): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}

/** Node runs `nextTick` callbacks only when no promise reaction is left: no real time passes, no event loop turn is made. */
export function turn(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}
