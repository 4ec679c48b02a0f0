import type { RawCoMap } from "cojson";

/** Resolves once `copy` holds at least `n`. */
export function seenBy(copy: RawCoMap, n: number): Promise<void> {
  return new Promise((resolve) => {
    const stop = copy.core.subscribe(() => {
      if (Number(copy.get("n")) < n) return;
      stop();
      resolve();
    }, false);
  });
}
