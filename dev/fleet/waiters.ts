import type { MachineState } from "./fly-model.ts";

/** Callers that wait for a Machine to reach a state. */
export interface Waiters {
  /** Resolves with the state, or with `undefined` after `timeoutMs`, the abort, or {@link Waiters.giveUp}. */
  wait(
    states: readonly MachineState[],
    timeoutMs: number,
    abort?: AbortSignal,
  ): Promise<MachineState | undefined>;
  tell(state: MachineState): void;
  /** Nothing will change any more: all waits end. */
  giveUp(): void;
}

export function createWaiters(): Waiters {
  const waiting = new Set<(state: MachineState | undefined) => void>();
  return {
    wait(states, timeoutMs, abort) {
      return new Promise((resolve) => {
        const timer = Number.isFinite(timeoutMs) ? setTimeout(() => end(undefined), timeoutMs) : undefined;
        const giveUp = () => end(undefined);
        const end = (state: MachineState | undefined) => {
          clearTimeout(timer);
          abort?.removeEventListener("abort", giveUp);
          waiting.delete(told);
          resolve(state);
        };
        const told = (state: MachineState | undefined) => {
          if (state === undefined || states.includes(state)) end(state);
        };
        waiting.add(told);
        abort?.addEventListener("abort", giveUp);
        if (abort?.aborted) giveUp();
      });
    },
    tell(state) {
      for (const told of [...waiting]) told(state);
    },
    giveUp() {
      for (const told of [...waiting]) told(undefined);
    },
  };
}
