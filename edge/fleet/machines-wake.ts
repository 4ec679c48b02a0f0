import { SpriteSyncError } from "../../shared/errors.ts";
import type { MachinesApi } from "./machines-api.ts";
import { MACHINES_LIMITS } from "./machines-limits.ts";
import { wakeStepOf } from "./machines-states.ts";
import type { FlyMachine } from "./machines-types.ts";

export interface WakeDeps {
  /** Brings a sleeping Machine up to date. @returns whether it should be read again. @throws SpriteSyncError */
  readonly upgrade?: (machine: FlyMachine) => Promise<boolean>;
  readonly api: MachinesApi;
  readonly pause: (ms: number) => Promise<void>;
  /** Milliseconds, from any origin. */
  readonly now: () => number;
}

/**
 * Brings a Machine to `started`: reads its state, takes the one step that the state asks for, reads again
 * (facts/fly-machines §1.8). Every refusal (408, 409, 412) only means that the state changed meanwhile.
 *
 * @throws SpriteSyncError `gone` when it does not exist any more, `transient` when it does not run in time, or the error
 * of the call that failed.
 */
export async function wakeMachine(id: string, deps: WakeDeps): Promise<FlyMachine> {
  const deadline = deps.now() + MACHINES_LIMITS.wakeMs;
  let starts = 0;
  let restarted = false;
  let upgraded = false;
  let rereadMs: number = MACHINES_LIMITS.rereadMs;
  let last = "unknown";
  while (deps.now() < deadline) {
    const machine = await deps.api.showMachine(id);
    last = machine?.state ?? "unknown";
    const step = machine ? wakeStepOf(machine.state) : "gone";
    if (!machine || step === "gone")
      throw new SpriteSyncError("gone", `Machine ${id} does not exist any more`);
    if (step === "done") return machine;
    if (typeof step === "object") {
      await deps.api.waitMachine(machine, step.wait);
      continue;
    }
    if (step === "start" && !upgraded && deps.upgrade) {
      upgraded = true;
      if (await deps.upgrade(machine)) continue;
    }
    if (step === "start" || (step === "restart-once" && !restarted)) {
      if (starts === MACHINES_LIMITS.startsPerWake) throw dies(id);
      restarted ||= step === "restart-once";
      if (await deps.api.startMachine(id)) {
        starts++;
        await deps.api.waitMachine(machine, "started");
        continue;
      }
    } else if (step === "restart-once") {
      throw dies(id);
    }
    await deps.pause(rereadMs);
    rereadMs = Math.min(rereadMs * 2, MACHINES_LIMITS.rereadMaxMs);
  }
  throw new SpriteSyncError(
    "transient",
    `Machine ${id} did not start within ${MACHINES_LIMITS.wakeMs} ms (last state: ${last})`,
  );
}

function dies(id: string): SpriteSyncError {
  return new SpriteSyncError(
    "transient",
    `Machine ${id} stops right after every start; its own log says why (\`fly logs -i ${id}\`)`,
  );
}
