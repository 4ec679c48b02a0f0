import type { z } from "zod";
import type { ApiCall } from "../faults.ts";
import { Refusal } from "../refusal.ts";

/** A call with its query as it came: some parameters may come several times. */
export interface SpritesCall extends ApiCall {
  readonly params: URLSearchParams;
  readonly raw: Buffer;
}

export interface SpritesAnswer {
  readonly status: number;
  /** An object is sent as JSON, a string and bytes as they are. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent one by one as NDJSON. */
  readonly lines?: AsyncIterable<object>;
}

export type SpritesHandler = (call: SpritesCall) => Promise<SpritesAnswer> | SpritesAnswer;

/** @throws Refusal 400 for a parameter that the operation does not have. */
export function onlyParams({ params }: SpritesCall, known: readonly string[]): void {
  const strange = [...params.keys()].find((name) => !known.includes(name));
  if (strange) throw new Refusal(400, `unknown parameter ${strange}`);
}

/** @throws Refusal 400 that names the field. */
export function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Refusal(400, `${issue?.path.join(".")}: ${issue?.message}`);
}
