import { LIMITS } from "./limits.ts";

/**
 * Just enough of a JSON reader to find the members of an object in a long text without building its values.
 *
 * Strings are skipped by `indexOf`, which is native and fast on the long base64 of encrypted transactions. Structure is
 * followed exactly (bracket kinds, commas, colons at the levels that are read); the inside of a skipped value is only
 * checked for balanced brackets and closed strings. Every function throws {@link ScanError} on what it cannot follow.
 */

/** The text is not JSON, or uses something (an escaped key) that only a full parser should judge. */
export class ScanError extends Error {}

/** A piece of the text: from `start` to before `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPEN_ARRAY = 91;
const BACKSLASH = 92;
const CLOSE_ARRAY = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

function isSpace(code: number): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9;
}

/** The index of the first character at or after `at` that is not white space. */
export function skipSpace(text: string, at: number): number {
  let i = at;
  while (isSpace(text.charCodeAt(i))) i++;
  return i;
}

/** `at` is an opening quote; returns the index behind the closing one. */
function skipString(text: string, at: number): number {
  const end = stringEnd(text, at);
  if (end === 0) throw new ScanError("a string is not closed");
  return end;
}

/** `at` is an opening quote; returns the index behind the closing one, or 0 when there is none. */
function stringEnd(text: string, at: number): number {
  for (let i = text.indexOf('"', at + 1); i !== -1; i = text.indexOf('"', i + 1)) {
    let slashes = 0;
    while (text.charCodeAt(i - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return i + 1;
  }
  return 0;
}

function skipScalar(text: string, at: number): number {
  let i = at;
  for (; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === COMMA || code === CLOSE_ARRAY || code === CLOSE_OBJECT || isSpace(code)) break;
  }
  if (!/^(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)$/.test(text.slice(at, i))) {
    throw new ScanError("a value is neither a number, true, false nor null");
  }
  return i;
}

/** The brackets that close what is open. One for all scans: none begins while another skips. */
const closers = new Uint8Array(LIMITS.jsonDepth);

/** How many JSON values a scan may still meet. */
export interface Meter {
  left: number;
}

function spend(meter: Meter): void {
  if (--meter.left < 0) throw new ScanError("too many values");
}

function skipContainer(text: string, at: number, meter: Meter): number {
  let depth = 0;
  for (let i = at; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) i = skipString(text, i) - 1;
    else if (code === COMMA) spend(meter);
    else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      spend(meter);
      if (depth === LIMITS.jsonDepth) throw new ScanError("a value is too deep");
      closers[depth++] = code === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_ARRAY;
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
      if (closers[--depth] !== code) throw new ScanError("brackets do not match");
      if (depth === 0) return i + 1;
    }
  }
  throw new ScanError("an object or array is not closed");
}

/** The index behind the value that begins at `at`. */
export function skipValue(text: string, at: number, meter: Meter = unlimited()): number {
  const code = text.charCodeAt(at);
  if (code === QUOTE) return skipString(text, at);
  if (code === OPEN_OBJECT || code === OPEN_ARRAY) return skipContainer(text, at, meter);
  return skipScalar(text, at);
}

/** More than a frame has characters, and still an integer that V8 keeps without a box. */
const UNLIMITED = 2 ** 30 - 1;

function unlimited(): Meter {
  return { left: UNLIMITED };
}

/**
 * Calls `visit` for each member of the object at `at`, in the text's order (so the last of two equal keys comes last).
 * @param meter counts the values in the object; past it the scan ends with a ScanError.
 * @returns the index behind the object.
 */
export function scanObject(
  text: string,
  at: number,
  visit: (key: string, value: Span) => void,
  meter: Meter = unlimited(),
): number {
  if (text.charCodeAt(at) !== OPEN_OBJECT) throw new ScanError("expected an object");
  let i = skipSpace(text, at + 1);
  if (text.charCodeAt(i) === CLOSE_OBJECT) return i + 1;
  for (;;) {
    if (text.charCodeAt(i) !== QUOTE) throw new ScanError("expected a key");
    const keyEnd = skipString(text, i);
    const key = text.slice(i + 1, keyEnd - 1);
    if (key.includes("\\")) throw new ScanError("a key is written with escapes");
    i = skipSpace(text, keyEnd);
    if (text.charCodeAt(i) !== COLON) throw new ScanError("expected a colon");
    const start = skipSpace(text, i + 1);
    const end = skipValue(text, start, meter);
    visit(key, { start, end });
    spend(meter);
    i = skipSpace(text, end);
    const code = text.charCodeAt(i);
    if (code === CLOSE_OBJECT) return i + 1;
    if (code !== COMMA) throw new ScanError("expected a comma");
    i = skipSpace(text, i + 1);
  }
}

/**
 * Calls `visit` for each element of the array at `at`.
 * @returns the index behind the array.
 */
export function scanArray(text: string, at: number, visit: (element: Span) => void): number {
  if (text.charCodeAt(at) !== OPEN_ARRAY) throw new ScanError("expected an array");
  let i = skipSpace(text, at + 1);
  if (text.charCodeAt(i) === CLOSE_ARRAY) return i + 1;
  for (;;) {
    const end = skipValue(text, i);
    visit({ start: i, end });
    i = skipSpace(text, end);
    const code = text.charCodeAt(i);
    if (code === CLOSE_ARRAY) return i + 1;
    if (code !== COMMA) throw new ScanError("expected a comma");
    i = skipSpace(text, i + 1);
  }
}

/** How many elements the array in `span` has. */
export function countElements(text: string, span: Span): number {
  if (text.charCodeAt(span.start) !== OPEN_ARRAY) throw new ScanError("expected an array");
  let i = skipSpace(text, span.start + 1);
  if (text.charCodeAt(i) === CLOSE_ARRAY) return 0;
  for (let count = 1; ; count++) {
    i = skipSpace(text, skipValue(text, i));
    if (text.charCodeAt(i) === CLOSE_ARRAY) return count;
    if (text.charCodeAt(i) !== COMMA) throw new ScanError("expected a comma");
    i = skipSpace(text, i + 1);
  }
}

/**
 * Which limit the JSON in `span` passes: more than `elements` values, or more than {@link LIMITS.jsonDepth} inside each
 * other. Walks the text once, keeps nothing, and stops where a limit is passed. Of a text that is no JSON it may say
 * anything, but what `JSON.parse` builds of it before it fails is within the limits too.
 */
export function excessOf(
  text: string,
  { start, end }: Span,
  elements: number,
): "elements" | "depth" | undefined {
  let depth = 0;
  let count = 1;
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      i = stringEnd(text, i) - 1;
      if (i < start) return undefined;
    } else if (code === COMMA) {
      if (++count > elements) return "elements";
    } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      if (++count > elements) return "elements";
      if (++depth > LIMITS.jsonDepth) return "depth";
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) depth--;
  }
  return undefined;
}
