import { StringDecoder } from "node:string_decoder";
import { SpriteSyncError } from "../../shared/errors.ts";

/**
 * The lines of a UTF-8 stream, without their `\n`. Not `node:readline`: that also cuts at U+2028, which JSON may hold,
 * has no bound for a line, and loses errors of the stream.
 * @param maxChars longest line that is taken
 * @throws SpriteSyncError `too-large`, and what the stream throws
 */
export async function* readLines(stream: AsyncIterable<Buffer>, maxChars: number): AsyncGenerator<string> {
  const decoder = new StringDecoder("utf8");
  let open: string[] = [];
  let chars = 0;
  for await (const chunk of stream) {
    const [first = "", ...rest] = decoder.write(chunk).split("\n");
    open.push(first);
    chars += first.length;
    for (const next of rest) {
      yield open.join("");
      open = [next];
      chars = next.length;
    }
    if (chars > maxChars) {
      throw new SpriteSyncError("too-large", `A line has more than ${maxChars} characters.`);
    }
  }
  open.push(decoder.end());
  const last = open.join("");
  if (last !== "") yield last;
}
