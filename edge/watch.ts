import { spreadIn } from "./awake-message.ts";
import { type Clock, systemClock } from "./clock.ts";
import { Hotline, type HotlineDeps } from "./hotline.ts";

export interface WatchDeps {
  readonly connect: HotlineDeps["connect"];
  readonly pause: HotlineDeps["pause"];
  readonly onAwake: () => void;
  readonly clock?: Clock;
}

/**
 * Watches a sleeping Sprite's coordinator; calls back once, when it is awake in a later period. Of many who watch, each
 * calls back at a moment of its own, as the coordinator asks.
 * @returns how to stop; whoever has something to send stops watching and attaches at once.
 */
export function watchSprite({ connect, pause, onAwake, clock = systemClock }: WatchDeps): () => void {
  let cancel = () => line.close();
  const line = new Hotline({
    connect,
    pause,
    onMessage: (text) => {
      line.close();
      const spreadMs = spreadIn(text);
      if (spreadMs > 0) cancel = clock.later(spreadMs * clock.random(), onAwake);
      else onAwake();
    },
  });
  return () => cancel();
}
