import type { SpriteName } from "../../shared/sprite-name.ts";

/** Shares are told apart down to a hundredth of a percent. */
const SHARES = 10_000;

/**
 * Whether a Sprite is among the `percent` of all that are brought up to date first. A function of its name: every edge
 * says the same, and whoever was chosen stays so when the percentage grows.
 */
export function isChosen(sprite: SpriteName, percent: number): boolean {
  return hashOf(sprite) % SHARES < percent * (SHARES / 100);
}

/** FNV-1a with a final mix (Murmur3's), since FNV's low bits alone are not even for short texts. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
