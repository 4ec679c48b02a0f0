import type { SpriteState } from "./fleet.ts";

/** A state that `wait` can be asked for (facts/fly-machines §1.6). */
export type WaitState = "started" | "stopped" | "suspended" | "destroyed";

/** What a caller who wants a Machine to run does next. */
export type WakeStep =
  | "done"
  | "start"
  | "restart-once"
  | "gone"
  | "read-again"
  | { readonly wait: WaitState };

const SPRITE_STATES: Readonly<Record<string, SpriteState>> = {
  started: "running",
  stopped: "asleep",
  suspended: "asleep",
  created: "asleep",
  failed: "failed",
  destroyed: "gone",
  replaced: "gone",
  migrated: "gone",
};

const WAKE_STEPS: Readonly<Record<string, WakeStep>> = {
  started: "done",
  stopped: "start",
  suspended: "start",
  created: "start",
  failed: "restart-once",
  destroyed: "gone",
  replaced: "gone",
  migrated: "gone",
  creating: { wait: "started" },
  starting: { wait: "started" },
  restarting: { wait: "started" },
  updating: { wait: "started" },
  replacing: { wait: "started" },
  stopping: { wait: "stopped" },
  suspending: { wait: "suspended" },
  // Both end in `destroyed`, and only that allows to make another Machine (facts/fly-machines §1.8, §5.5).
  destroying: { wait: "destroyed" },
  launch_failed: { wait: "destroyed" },
};

const VOLUMES_GONE = new Set([
  "scheduling_destroy",
  "pending_destroy",
  "fork_cleanup",
  "waiting_for_detach",
  "destroying",
  "destroyed",
]);

/** A Machine's state in the words of the contract; whatever Fly adds one day is `moving` (facts/fly-machines §1.8). */
export function spriteStateOf(machineState: string | null | undefined): SpriteState {
  return SPRITE_STATES[machineState ?? ""] ?? "moving";
}

/** The next step towards a running Machine. */
export function wakeStepOf(machineState: string | null | undefined): WakeStep {
  return WAKE_STEPS[machineState ?? ""] ?? "read-again";
}

/** Whether a Machine in this state will never run again, but may still hold its name and its volume. */
export function isDying(machineState: string | null | undefined): boolean {
  return machineState === "destroying" || machineState === "launch_failed";
}

/** Whether a volume can still be mounted (facts/fly-machines §1.3). */
export function isVolumeAlive(volumeState: string | null | undefined): boolean {
  return !VOLUMES_GONE.has(volumeState ?? "");
}
