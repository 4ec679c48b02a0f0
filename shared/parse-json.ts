import { SpriteSyncError } from "./errors.ts";
import { excessOf, type Span } from "./json-scan.ts";
import { LIMITS } from "./limits.ts";

/** Texts below this length are parsed as they are: what they hold is bounded by their length. */
export const SMALL_CHARS = 4_096;

/**
 * `JSON.parse` for what others wrote: the one place that calls it. `[[],[],…` takes up to twenty times its length once it is
 * parsed, so the number and the depth of its values are bounded before.
 * @throws SpriteSyncError as {@link assertBounded} does, and SyntaxError as `JSON.parse` does.
 */
export function parseJson(text: string): unknown {
  assertBounded(text, { start: 0, end: text.length }, LIMITS.jsonElements, "a message");
  return JSON.parse(text);
}

/** `JSON.parse` for the text of a message that `parseMessage` has read, and so has bounded. */
export function parseRead(text: string): unknown {
  return JSON.parse(text);
}

/** Like {@link parseJson} for a piece of a text, with a bound of its own. `name` is what the error calls it. */
export function parseSpan(text: string, span: Span, elements: number, name: string): unknown {
  assertBounded(text, span, elements, name);
  return JSON.parse(text.slice(span.start, span.end));
}

/**
 * @throws SpriteSyncError `too-large` when the JSON in `span` holds more than `elements` values, `bad-message` when they are
 *   deeper inside each other than those of any app.
 */
export function assertBounded(text: string, span: Span, elements: number, name: string): void {
  if (span.end - span.start < SMALL_CHARS) return;
  const excess = excessOf(text, span, elements);
  if (excess === "elements") {
    throw new SpriteSyncError("too-large", `${name} must hold at most ${elements} JSON values`);
  }
  if (excess === "depth") {
    throw new SpriteSyncError(
      "bad-message",
      `${name} must not be deeper than ${LIMITS.jsonDepth} objects and arrays`,
    );
  }
}
