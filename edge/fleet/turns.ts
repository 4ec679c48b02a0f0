import { SpriteSyncError } from "../../shared/errors.ts";
import type { Pacer, Turn, TurnRequest } from "./pacer.ts";

export interface TurnDeps {
  /** Keeps to the platform's rate limits beforehand. Without one only the platform does, by refusing. */
  readonly pacer?: Pacer | undefined;
  readonly pause: (ms: number) => Promise<void>;
}

/**
 * Waits for a turn within the platform's rate limits.
 * @param doing who and what, for messages.
 * @throws SpriteSyncError `rate` when it is further away than the request's patience, `transient` when nobody can tell.
 */
export async function takeTurn(
  doing: string,
  request: TurnRequest,
  { pacer, pause }: TurnDeps,
): Promise<void> {
  if (!pacer) return;
  const { granted, inMs } = await ask(doing, request, pacer);
  if (!granted) {
    throw new SpriteSyncError("rate", `${doing}: its turn within Fly's rate limits comes in ${inMs} ms`, {
      retryAfterMs: inMs,
    });
  }
  if (inMs > 0) await pause(inMs);
}

async function ask(doing: string, request: TurnRequest, pacer: Pacer): Promise<Turn> {
  try {
    return await pacer.next(request);
  } catch (cause) {
    // A Durable Object that is moving or being redeployed.
    throw new SpriteSyncError("transient", `${doing}: the queue for Fly's API could not be asked`, { cause });
  }
}
