/** Everything that a soak counts, and how often each must happen in a minute, or the soak has proved nothing. */
const PER_MINUTE = {
  write: 80,
  "write of one key by several at once": 10,
  "large write": 1,
  "write while offline": 3,
  "new value": 6,
  "value asked for before it existed": 1,
  "newcomer loaded": 4,
  "author joined": 0.5,
  "device gone for good after its ack": 2,
  "author left": 2,
  "author returned": 2,
  "fell asleep": 10,
  "woken by a write": 2,
  "woken by a newcomer": 1,
  "killed at random": 3,
  "killed after a write": 2,
  "killed while waking": 2,
  "killed while falling asleep": 1,
  "paused, then continued": 1,
  "paused, then killed": 1,
  "lost its disk awake": 1,
  "lost its disk asleep": 1,
  "account lost its disk": 0.5,
  "edge restarted": 1,
} as const;

export type Kind = keyof typeof PER_MINUTE;

const KINDS = Object.keys(PER_MINUTE).filter((name): name is Kind => name in PER_MINUTE);

/** The world is full at some time: more is never asked for, however long the soak. */
const MOST_ASKED: Partial<Record<Kind, number>> = { "author joined": 2, "new value": 100 };
/** In a long soak chance evens out, but a busy computer does less of everything. */
const LONG_RUN_SHARE = 0.5;
const LINES_KEPT = 20_000;

/** What happened in a soak: counts for whether it was worth anything, the last lines for when it fails. */
export class Diary {
  readonly #counts = new Map<Kind, number>();
  readonly #minimum: ReadonlyMap<Kind, number>;
  readonly #lines: string[] = [];
  readonly #begun = performance.now();
  readonly #say: (line: string) => void;

  /** @param say told of each line. */
  constructor(minutes: number, say: (line: string) => void = () => undefined) {
    const share = minutes > 2 ? LONG_RUN_SHARE : 1;
    const asked = (kind: Kind) => Math.floor(PER_MINUTE[kind] * minutes * share);
    this.#minimum = new Map(
      KINDS.map((kind) => [kind, Math.min(asked(kind), MOST_ASKED[kind] ?? Number.POSITIVE_INFINITY)]),
    );
    this.#say = say;
  }

  /** Something happened that counts. */
  count(kind: Kind, what: string): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    this.line(`${kind}: ${what}`);
  }

  /** Something that only helps to understand the rest. */
  line(text: string): void {
    const line = `${((performance.now() - this.#begun) / 1_000).toFixed(3)} s ${text}`;
    this.#lines.push(line);
    if (this.#lines.length > LINES_KEPT) this.#lines.shift();
    this.#say(line);
  }

  /** The kinds that have not happened often enough. */
  missing(): Kind[] {
    return KINDS.filter((kind) => this.#of(kind) < (this.#minimum.get(kind) ?? 0));
  }

  last(count: number): string[] {
    return this.#lines.slice(-count);
  }

  report(): string {
    return KINDS.map(
      (kind) => `${String(this.#of(kind)).padStart(6)} × ${kind} (at least ${this.#minimum.get(kind) ?? 0})`,
    ).join("\n");
  }

  #of(kind: Kind): number {
    return this.#counts.get(kind) ?? 0;
  }
}
