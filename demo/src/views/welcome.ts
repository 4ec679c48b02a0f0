import { el } from "../dom.ts";

export interface WelcomeOptions {
  /** Whether the visitor came with a share link. */
  readonly invited: boolean;
  onName(name: string): void;
}

/** The first page of a new visitor: a name is all an account needs. */
export function welcomeView({ invited, onName }: WelcomeOptions): HTMLElement {
  const name = el("input", {
    id: "name",
    testid: "welcome-name",
    autocomplete: "name",
    maxLength: 60,
    required: true,
    placeholder: "Your name",
  });
  const submit = el(
    "button",
    { className: "primary", testid: "welcome-start" },
    invited ? "Join the list" : "Start",
  );
  const form = el(
    "form",
    { className: "row" },
    el("label", { htmlFor: "name", className: "visually-hidden" }, "Your name"),
    name,
    submit,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!name.value.trim()) return;
    submit.disabled = true;
    onName(name.value.trim());
  });
  queueMicrotask(() => name.focus());
  return el(
    "section",
    { className: "card narrow", testid: "welcome" },
    el("h1", {}, invited ? "You are invited to a list" : "Lists you can share"),
    el(
      "p",
      { className: "muted" },
      "What should others call you? Your account is made in this browser: no e-mail, no password.",
    ),
    form,
  );
}
