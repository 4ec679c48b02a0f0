import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: (() => void) | undefined;

/** Bytes of V8's heap that are in use after full collections. */
export function usedHeap(): number {
  if (!collect) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  // Weak references and finalizers need a second round.
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}
