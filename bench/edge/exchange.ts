import type { Client } from "../../test/support/client.ts";
import { contentOf } from "../../test/support/real-values.ts";

/** Frames to send, and how to know their answers. */
export interface Exchange {
  readonly frames: readonly string[];
  /** How the text of each answer begins. It names the value: with its content a Sprite sends that of its owners once. */
  readonly answer: string;
  /** Messages in each frame; each is answered once. */
  readonly perFrame: number;
}

/** Real messages about values that the Sprite has on its disk. */
export interface Messages {
  /** A transaction that the Sprite has already: it answers `known` and stores nothing, so it costs as little as it can. */
  readonly small: string;
  /** The same with one transaction of about 100,000 characters. */
  readonly large: string;
  /** Asks for the value of `small` as somebody who has nothing of it: the Sprite answers with its content. */
  readonly load: string;
}

/** Encrypted and base64: four characters for each three. */
const LARGE_TEXT_CHARS = 75_000;

/** Makes a group with two values, waits until they are stored, and cuts the messages from their content. */
export async function prepareMessages(client: Client): Promise<{ home: string; messages: Messages }> {
  const group = client.node.createGroup();
  const small = group.createMap();
  small.set("title", "a note of a few words");
  const large = group.createMap();
  large.set("text", "lorem ipsum ".repeat(LARGE_TEXT_CHARS / 12));
  await client.synced();
  return {
    home: group.id,
    messages: {
      small: withoutHeader(contentOf(small)),
      large: withoutHeader(contentOf(large)),
      load: JSON.stringify({ action: "load", id: small.id, header: false, sessions: {} }),
    },
  };
}

/** `count` times the same content, `perFrame` in a frame. */
export function known(message: string, count: number, perFrame = 1): Exchange {
  return exchange("known", message, count, perFrame);
}

/** `count` times the same load. */
export function content(message: string, count: number): Exchange {
  return exchange("content", message, count, 1);
}

function exchange(answer: string, message: string, count: number, perFrame: number): Exchange {
  const { id } = JSON.parse(message) as { id: string };
  const frame = Array.from({ length: perFrame }, () => message).join("\n");
  return {
    frames: Array.from({ length: Math.ceil(count / perFrame) }, () => frame),
    answer: `{"action":"${answer}","id":"${id}"`,
    perFrame,
  };
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
