import type { Complaint } from "../shared/control.ts";
import type { Follow } from "./follow.ts";

/** What a home's refusal of a value's content leads to. */
export function heedComplaint({ code, retry }: Complaint, follow: Follow): void {
  // A Sprite that has no quota for content asks for it when it has; until then, owing it would keep the Sprite awake.
  if (!retry || code === "over-quota") follow.refused();
  else if (code === "overloaded") follow.homeDropped();
  else follow.refusedForNow();
}
