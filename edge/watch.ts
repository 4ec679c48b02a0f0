import { Hotline, type HotlineDeps } from "./hotline.ts";

/** Watches a sleeping Sprite's coordinator; calls back once, when it is awake in a later period. Returns how to stop. */
export function watchSprite(deps: {
  readonly connect: HotlineDeps["connect"];
  readonly pause: HotlineDeps["pause"];
  readonly onAwake: () => void;
}): () => void {
  const line = new Hotline({
    connect: deps.connect,
    pause: deps.pause,
    onMessage: () => {
      line.close();
      deps.onAwake();
    },
  });
  return () => line.close();
}
