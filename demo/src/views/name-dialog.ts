import { el } from "../dom.ts";
import type { Me } from "../schema.ts";

/** Lets people change what others see them as. */
export function openNameDialog(me: Me): void {
  const name = el("input", {
    id: "my-name",
    value: me.profile.name,
    maxLength: 60,
    required: true,
    testid: "name-field",
  });
  const cancel = el(
    "button",
    { type: "button", className: "quiet", onclick: () => dialog.close() },
    "Cancel",
  );
  const form = el(
    "form",
    { method: "dialog" },
    el("label", { htmlFor: "my-name" }, "Your name"),
    name,
    el(
      "div",
      { className: "row end" },
      cancel,
      el("button", { className: "primary", testid: "name-save" }, "Save"),
    ),
  );
  form.addEventListener("submit", () => {
    if (name.value.trim()) me.profile.$jazz.set("name", name.value.trim());
  });
  const dialog = el("dialog", { testid: "name-dialog" }, form);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  name.select();
}
