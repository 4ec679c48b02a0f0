import type { Client } from "../../test/support/client.ts";
import { contentOf } from "../../test/support/real-values.ts";

/** Frames to send, and how to know their answers. */
export interface Exchange {
  readonly frames: readonly string[];
  /** How the text of each answer begins, up to the id of its value. */
  readonly answer: string;
  /** The values that are answered about: with their content a Sprite sends that of their owners once. */
  readonly ids: ReadonlySet<string>;
  /** Messages in each frame; each is answered once. */
  readonly perFrame: number;
}

/** Real messages about values that the Sprite has on its disk. */
export interface Messages {
  /** A transaction that the Sprite has already: it answers `known` and stores nothing, so it costs as little as it can. */
  readonly small: string;
  /** The same with one transaction of about 100,000 characters. */
  readonly large: string;
  /**
   * Each asks for another value like that of `small`, as somebody who has nothing of it: the Sprite answers with its content.
   * The edge would send the same value once to whoever asks for it many times at once.
   */
  readonly loads: readonly string[];
}

/** Values that can be asked for at once. */
const LOADS = 800;
/** Encrypted and base64: four characters for each three. */
const LARGE_TEXT_CHARS = 75_000;

/** Makes a group with two values, waits until they are stored, and cuts the messages from their content. */
export async function prepareMessages(client: Client): Promise<{ home: string; messages: Messages }> {
  const group = client.node.createGroup();
  const newSmall = () => {
    const map = group.createMap();
    map.set("title", "a note of a few words");
    return map;
  };
  const small = newSmall();
  const others = Array.from({ length: LOADS - 1 }, newSmall);
  const large = group.createMap();
  large.set("text", "lorem ipsum ".repeat(LARGE_TEXT_CHARS / 12));
  await client.synced();
  return {
    home: group.id,
    messages: {
      small: withoutHeader(contentOf(small)),
      large: withoutHeader(contentOf(large)),
      loads: [small, ...others].map(({ id }) =>
        JSON.stringify({ action: "load", id, header: false, sessions: {} }),
      ),
    },
  };
}

/** `count` times the same content, `perFrame` in a frame. */
export function known(message: string, count: number, perFrame = 1): Exchange {
  return exchange("known", [message], count, perFrame);
}

/** `count` loads, of as many values. @throws RangeError when there are not so many */
export function content(loads: readonly string[], count: number): Exchange {
  if (count > loads.length) throw new RangeError(`${count} loads are more than ${loads.length}`);
  return exchange("content", loads.slice(0, count), count, 1);
}

function exchange(answer: string, messages: readonly string[], count: number, perFrame: number): Exchange {
  const frames = Array.from({ length: Math.ceil(count / perFrame) }, (_, n) =>
    Array.from({ length: perFrame }, (_, m) => messages[(n * perFrame + m) % messages.length]).join("\n"),
  );
  const ids = new Set(messages.map((message) => (JSON.parse(message) as { id: string }).id));
  return { frames, answer: `{"action":"${answer}","id":"`, ids, perFrame };
}

export function messagesIn({ frames, perFrame }: Exchange): number {
  return frames.length * perFrame;
}

/** The content as a client sends it that has sent the header before. */
function withoutHeader(pieces: readonly string[]): string {
  const [piece, ...more] = pieces;
  if (!piece || more.length > 0) throw new Error(`one message was expected, not ${pieces.length}`);
  const { header: _, ...rest } = JSON.parse(piece) as Record<string, unknown>;
  return JSON.stringify(rest);
}
