import type { Connection } from "../connection.ts";
import { el } from "../dom.ts";

/** Shows a share link to copy, and closes with Escape, a click beside it, or its button. */
export function openShareDialog(link: string, connection: Connection): void {
  const field = el("input", {
    readOnly: true,
    value: link,
    testid: "share-link",
    onfocus: () => field.select(),
  });
  field.ariaLabel = "Share link";
  const copy = el(
    "button",
    { className: "primary", testid: "share-copy", onclick: () => copyFrom(field, copy) },
    "Copy",
  );
  const note = el("p", { className: "muted", role: "status", testid: "share-note" });
  const unsubscribe = connection.subscribe(({ link: state, saved }) => {
    const ready = state === "connected" && saved;
    note.dataset.ready = String(ready);
    note.textContent = ready
      ? "Anyone with this link can see and change the list."
      : "The link will work as soon as this list is saved.";
  });
  const close = el(
    "button",
    { className: "quiet", testid: "share-close", onclick: () => dialog.close() },
    "Close",
  );
  const dialog = el(
    "dialog",
    { testid: "share-dialog" },
    el("h2", {}, "Share this list"),
    note,
    el("div", { className: "row" }, field, copy),
    el("div", { className: "row end" }, close),
  );
  dialog.addEventListener("close", () => {
    unsubscribe();
    dialog.remove();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  copy.focus();
}

async function copyFrom(field: HTMLInputElement, button: HTMLButtonElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(field.value);
    button.textContent = "Copied";
  } catch {
    // The browser did not allow it: the selected link can still be copied by hand.
    field.focus();
  }
}
