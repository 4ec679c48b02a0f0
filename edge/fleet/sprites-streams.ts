import { SpriteSyncError } from "../../shared/errors.ts";
import { serviceEventSchema } from "./sprites-types.ts";

/** Tag of the last frame of an exec's answer; the exit code follows it (facts/fly-sprites §2b). */
const EXIT_TAG = 3;

/**
 * The bytes of an answer; with `isLast` no more than up to the line for which it is true, whether the answer ends there or
 * not.
 */
export async function readBody(
  response: Response,
  isLast?: (line: string) => boolean,
): Promise<Uint8Array<ArrayBuffer>> {
  if (!isLast || !response.body) return new Uint8Array(await response.arrayBuffer());
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  let text = "";
  let lineStart = 0;
  for (;;) {
    const { done, value } = await reader.read();
    text += decoder.decode(value, { stream: !done });
    for (let end = text.indexOf("\n", lineStart); end >= 0; end = text.indexOf("\n", lineStart)) {
      const isOver = isLast(text.slice(lineStart, end));
      lineStart = end + 1;
      if (!isOver) continue;
      // Nobody waits for what may come; a connection that broke has nothing to be let go of.
      void reader.cancel().catch(() => undefined);
      return new Uint8Array(new TextEncoder().encode(text));
    }
    if (done) return new Uint8Array(new TextEncoder().encode(text));
  }
}

/** Whether nothing that matters comes after this line of an answer about a service's start. */
export function endsStream(line: string): boolean {
  const event = serviceEventSchema.safeParse(parseLine(line));
  return event.success && ["complete", "error"].includes(event.data.type);
}

/**
 * Checks an answer about a service's start (NDJSON). Its status 200 means only that the platform has begun: what counts is
 * that `complete` came, and that the process which started last has not ended. A process that runs already is complete, too.
 * @throws SpriteSyncError `transient`
 */
export function checkStream(doing: string, { text }: { readonly text: string }): void {
  let ended: string | undefined = "the answer broke off";
  for (const line of text.split("\n")) {
    const { success, data: event } = serviceEventSchema.safeParse(parseLine(line));
    if (!success) continue;
    if (event.type === "started") ended = "the answer broke off";
    if (event.type === "exit") ended = `it ended with code ${event.exit_code}`;
    if (event.type === "error") ended = event.data ?? "an error without a word";
    if (event.type === "complete" && ended === "the answer broke off") ended = undefined;
  }
  if (ended === undefined) return;
  throw new SpriteSyncError(
    "transient",
    `${doing}: ${ended}; its own log says more (/.sprite/logs/services inside the Sprite)`,
  );
}

/** How a command ended, and the last that it said. */
export interface CommandEnd {
  readonly code: number;
  readonly output: string;
}

const OUTPUT_CHARS = 200;

/**
 * The end of a command. Frames have no lengths, so only the end of the answer can be trusted: `03` and the code.
 * @throws SpriteSyncError `transient` when the answer does not end so: then nobody knows.
 */
export function checkExit(doing: string, bytes: Uint8Array): CommandEnd {
  const code = bytes.at(-1);
  // Which of it was stdout and which stderr cannot be told; the tags among it are control characters.
  const text = new TextDecoder().decode(bytes.subarray(0, -2)).replaceAll(/[^\x20-\x7e]+/g, " ");
  if (bytes.at(-2) === EXIT_TAG && code !== undefined)
    return { code, output: text.slice(-OUTPUT_CHARS).trim() };
  throw new SpriteSyncError("transient", `${doing}: the answer broke off before the command's end`);
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // Empty lines, and whatever a proxy put in between.
    return undefined;
  }
}
