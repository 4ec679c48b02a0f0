import { LAST_WORD_PATH } from "../shared/digest.ts";
import { LIMITS } from "../shared/limits.ts";
import { PASS_HEADER } from "../shared/pass.ts";

export interface LastWordDeps {
  /** The edge's address for clients, `ws://…/sync` or `wss://…/sync`. */
  readonly syncUrl: string;
  /** The awake period that ends. */
  readonly boot: string;
  /** A new pass for the edge. */
  readonly pass: () => Promise<string>;
}

/**
 * Tells the edge the digest of a Sprite that has no upstream to say it on.
 * @throws when the edge does not take it in time.
 */
export async function sayLastWord(digest: string, { syncUrl, boot, pass }: LastWordDeps): Promise<void> {
  const url = new URL(LAST_WORD_PATH, syncUrl.replace(/^ws/, "http"));
  url.searchParams.set("boot", boot);
  const response = await fetch(url, {
    method: "POST",
    headers: { [PASS_HEADER]: await pass(), "content-type": "application/json" },
    body: digest,
    signal: AbortSignal.timeout(LIMITS.lastWordMs),
  });
  if (!response.ok) throw new Error(`the edge answered ${response.status} to the digest`);
}
