import { el, type Part } from "../dom.ts";
import { DemoAccount } from "../schema.ts";

/** Follows an account's profile name. `onName` is not called while the account cannot be loaded. */
export function watchName(accountId: string, onName: (name: string) => void): () => void {
  return DemoAccount.subscribe(accountId, { resolve: { profile: true }, onError: () => {} }, (account) =>
    onName(account.profile.name),
  );
}

/** A small round initial in a colour of its own, with the full name for screen readers and on hover. */
export function avatar(accountId: string): Part {
  const element = el("span", { className: "avatar", role: "img", testid: "avatar" });
  element.style.setProperty("--hue", String(hueOf(accountId)));
  const show = (name: string) => {
    element.textContent = [...name.trim()][0]?.toUpperCase() ?? "?";
    element.title = name;
    element.ariaLabel = name;
  };
  show("Somebody");
  return { element, destroy: watchName(accountId, show) };
}

function hueOf(id: string): number {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.charCodeAt(0)) % 360;
  return sum;
}
