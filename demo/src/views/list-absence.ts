import type { ConnectionState } from "../connection.ts";
import { el } from "../dom.ts";
import { homeLink, type Problem, problemView, reloadButton } from "./problem.ts";

/** Why a list is not shown. */
export type Absence = "loading" | "waiting" | "no-access" | "not-here" | "not-found";

/** @param loadingState jazz-tools' `CoValueLoadingState` of the list. */
export function absenceOf(loadingState: string, link: ConnectionState["link"]): Absence {
  if (loadingState === "unauthorized") return "no-access";
  const offline = link !== "connected";
  if (loadingState === "loading") return offline ? "waiting" : "loading";
  return offline ? "not-here" : "not-found";
}

export function absenceView(absence: Absence): HTMLElement {
  if (absence === "loading") return loadingLine("Loading the list…");
  if (absence === "waiting") return loadingLine("Waiting for a connection to load the list…");
  return problemView(PROBLEMS[absence]());
}

function loadingLine(text: string): HTMLElement {
  return el("p", { className: "empty", role: "status", testid: "loading" }, text);
}

const PROBLEMS: Record<Exclude<Absence, "loading" | "waiting">, () => Problem> = {
  "no-access": () => ({
    kind: "no-access",
    title: "This list is not shared with you",
    text: "Ask somebody who has it for its share link: an address copied from their browser is not enough.",
    actions: [homeLink()],
  }),
  "not-here": () => ({
    kind: "not-here",
    title: "This list is not on this device yet",
    text: "It will appear here as soon as there is a connection.",
    actions: [homeLink()],
  }),
  "not-found": () => ({
    kind: "not-found",
    title: "This list was not found",
    text: "The link may be incomplete, or the list has not been saved by its author yet. It appears here once it is.",
    actions: [homeLink(), reloadButton()],
  }),
};
