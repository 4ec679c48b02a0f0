import type { Chance } from "./chance.ts";
import type { Scheduler } from "./scheduler.ts";

/** One end of a socket, as workerd shows it to the edge. Models use `onFrame` and `onClose`. */
export class End {
  onFrame: (data: string) => void = () => {};
  onClose: (code: number) => void = () => {};
  readonly link: Link;
  other: End | undefined;
  /** Nothing can be sent any more. */
  closed = false;
  /** This side closed it, and hears nothing more. */
  #deaf = false;
  lastArrival = 0;
  /** Frames towards this end that would arrive later than this are lost. */
  cutAt = Number.POSITIVE_INFINITY;
  #accepted = true;
  #early: (() => void)[] = [];

  constructor(link: Link) {
    this.link = link;
  }

  send(data: string): void {
    if (!this.closed && this.other) this.link.carry(this.other, data);
  }

  /** This side says goodbye; the other side hears it behind all frames that were sent before. */
  close(code = 1000, _reason = ""): void {
    if (this.closed) return;
    this.closed = true;
    this.#deaf = true;
    if (this.other) this.link.carryClose(this.other, code);
  }

  /** Keeps what arrives until `accept`, as a socket does that a response brings. */
  hold(): this {
    this.#accepted = false;
    return this;
  }

  // What workerd's WebSocket has.
  binaryType: "arraybuffer" | "blob" = "blob";

  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close" | "error", listener: (event: { code: number }) => void): void;
  addEventListener(type: string, listener: (event: { data: unknown; code: number }) => void): void {
    if (type === "message") this.onFrame = (data) => listener({ data, code: 0 });
    else if (type === "close") this.onClose = (code) => listener({ data: "", code });
  }

  accept(): void {
    this.#accepted = true;
    for (const event of this.#early.splice(0)) if (!this.#deaf) event();
  }

  get isAccepted(): boolean {
    return this.#accepted;
  }

  arrive(event: () => void): void {
    if (this.#deaf) return;
    if (this.#accepted) event();
    else this.#early.push(event);
  }
}

/** A socket between two places: ordered in each direction, delayed, and broken at any moment with frames on their way. */
export class Link {
  readonly #scheduler: Scheduler;
  readonly #chance: Chance;
  readonly #delay: () => number;
  readonly a = new End(this);
  readonly b = new End(this);
  broken = false;
  /** Frames that were sent and never arrived. */
  lost = 0;

  constructor(scheduler: Scheduler, chance: Chance, delay: () => number) {
    this.#scheduler = scheduler;
    this.#chance = chance;
    this.#delay = delay;
    this.a.other = this.b;
    this.b.other = this.a;
  }

  carry(to: End, data: string): void {
    const at = this.#arrival(to);
    if (at > to.cutAt || this.broken) {
      this.lost++;
      return;
    }
    this.#scheduler.later(at - this.#scheduler.time, () => {
      if (to.closed || at > to.cutAt) this.lost++;
      else to.arrive(() => to.onFrame(data));
    });
  }

  carryClose(to: End, code: number): void {
    const at = this.#arrival(to);
    if (at > to.cutAt || this.broken) return;
    this.#scheduler.later(at - this.#scheduler.time, () => {
      if (at <= to.cutAt) this.#close(to, code);
    });
  }

  /**
   * The line fails: of what is on its way, only the beginning arrives, in each direction on its own. Each side finds out
   * some time later, `silenceMs` at most.
   */
  break(silenceMs: number): void {
    if (this.broken) return;
    this.broken = true;
    for (const end of [this.a, this.b]) {
      end.cutAt = this.#scheduler.time + (this.#chance.chance(0.5) ? 0 : this.#chance.between(0, 60));
      this.#scheduler.later(60 + this.#chance.between(0, silenceMs), () => this.#close(end, 1006));
    }
  }

  #close(end: End, code: number): void {
    if (end.closed) return;
    end.closed = true;
    end.arrive(() => end.onClose(code));
  }

  #arrival(to: End): number {
    to.lastArrival = Math.max(to.lastArrival, this.#scheduler.time + this.#delay());
    return to.lastArrival;
  }
}
