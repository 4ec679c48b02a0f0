import { Budget } from "../../edge/budget.ts";
import { Remembered, type RememberedLimits } from "../../edge/remembered.ts";
import { LIMITS } from "../../shared/limits.ts";

/** What one session may remember, in an isolate of its own. */
export function newRemembered(limits: RememberedLimits = LIMITS): Remembered {
  return new Remembered(new Budget(limits.rememberedBytes), limits);
}
