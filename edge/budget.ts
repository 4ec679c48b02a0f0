/** What a budget is part of. */
export interface Outer {
  /** Whether more is used than should be, here or further out. */
  readonly exceeded: boolean;
  /** Whether `bytes` more fit, here and further out. */
  fits(bytes: number): boolean;
  charge(bytes: number): void;
  give(bytes: number): void;
}

/**
 * How many bytes may wait in one place: an upstream's queue, a session, an isolate.
 *
 * 1. What is used here is used in the budget around it as well.
 * 2. `take` never goes past a limit, here or further out. `charge` may: it is for what has left our hands already (bytes
 *    in a socket), where counting is all that can be done.
 */
export class Budget implements Outer {
  readonly #limit: number;
  readonly #around: Outer | undefined;
  #used = 0;

  /** @param limit bytes */
  constructor(limit: number, around?: Outer) {
    this.#limit = limit;
    this.#around = around;
  }

  get used(): number {
    return this.#used;
  }

  get exceeded(): boolean {
    return this.#used > this.#limit || (this.#around?.exceeded ?? false);
  }

  fits(bytes: number): boolean {
    return this.#used + bytes <= this.#limit && (this.#around?.fits(bytes) ?? true);
  }

  /** @returns whether `bytes` fitted, and were taken. */
  take(bytes: number): boolean {
    if (!this.fits(bytes)) return false;
    this.charge(bytes);
    return true;
  }

  charge(bytes: number): void {
    this.#used += bytes;
    this.#around?.charge(bytes);
  }

  give(bytes: number): void {
    this.#used -= bytes;
    this.#around?.give(bytes);
  }
}

/**
 * The bytes that a text takes in V8's heap: one a character, or two when any character is past U+00FF. On the wire (UTF-8)
 * it is the same for ASCII, and at most twice that for one-byte and one and a half times for two-byte texts.
 */
export function bytesOf(text: string): number {
  return PAST_LATIN_1.test(text) ? text.length * 2 : text.length;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the range is what V8 keeps in one byte.
const PAST_LATIN_1 = /[^\u0000-\u00ff]/;

/** From this length on V8 makes a slice a view of the text that it was cut from (`SlicedString::kMinLength`). */
const VIEW_CHARS = 13;

/**
 * The same text, for keeping: a message cut from a frame is a view, and would keep the whole frame (up to 32 MB) in memory
 * for as long as it waits.
 */
export function ownText(text: string): string {
  if (text.length < VIEW_CHARS) return text;
  // The first character is cut from a text that was just put together, so that the view is of that one.
  return ` ${text}`.slice(1);
}
