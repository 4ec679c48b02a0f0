import { el } from "../dom.ts";
import type { SpriteState, Sprites } from "../sprites.ts";

const WORDS: Readonly<Record<SpriteState, string>> = {
  awake: "This list\u2019s Sprite is awake",
  waking: "This list\u2019s Sprite is waking up\u2026",
  asleep: "This list\u2019s Sprite is asleep \u00b7 the next change wakes it",
};

/** Says whether the server of the list that is open is asleep. It falls asleep while the list stays open. */
export function spriteChip(sprites: Sprites): HTMLElement {
  const face = el("span", { className: "sprite-face" });
  face.ariaHidden = "true";
  const words = el("span", {});
  const chip = el("span", { className: "sprite", role: "status", testid: "sprite" }, face, words);
  chip.title =
    "Each list has a little server of its own, its Sprite. It sleeps when nothing happens, while you stay connected.";
  sprites.subscribe((state) => {
    // Emptied and not hidden: a live region has to be there before what it says.
    chip.dataset.state = state ?? "unknown";
    words.textContent = state ? WORDS[state] : "";
  });
  return chip;
}
