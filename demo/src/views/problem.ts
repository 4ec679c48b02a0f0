import { el } from "../dom.ts";

export interface Problem {
  readonly title: string;
  readonly text: string;
  /** For tests and styles: which problem this is. */
  readonly kind: string;
  /** The first is the one to take. */
  readonly actions: readonly (HTMLAnchorElement | HTMLButtonElement)[];
}

/** A page that says what went wrong and what to do next. */
export function problemView({ title, text, kind, actions }: Problem): HTMLElement {
  const element = el(
    "section",
    { className: "card narrow", role: "alert", testid: "problem" },
    el("h1", {}, title),
    el("p", { className: "muted" }, text),
    el("div", { className: "row" }, ...actions),
  );
  element.dataset.kind = kind;
  actions[0]?.classList.add("primary");
  return element;
}

export function reloadButton(): HTMLButtonElement {
  return el("button", { onclick: () => location.reload() }, "Try again");
}

export function homeLink(): HTMLAnchorElement {
  return el("a", { className: "button", href: "#/", testid: "problem-home" }, "Go to my lists");
}
