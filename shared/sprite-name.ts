import { base32nopad } from "@scure/base";
import { asHome, type GroupId, idFromHash, idToHash, isCoValueId } from "./ids.ts";

declare const brand: unique symbol;
/** A Sprite's name: a lowercase DNS label of 33 characters, the same for ever for one home group. */
export type SpriteName = string & { readonly [brand]: "SpriteName" };

const PREFIX = "g-";

/**
 * The name of a home group's Sprite.
 *
 * Base58 is case-sensitive and DNS labels are not, so the id is re-coded from all its bytes in base32:
 * 2 + 31 characters of `[a-z2-7-]`, short enough for `<name>-<org>` to stay below the 63 of a DNS label
 * (facts/fly-sprites §1) and different for different groups.
 *
 * @throws RangeError when the id does not decode to the 19 bytes of a cojson hash.
 */
export function spriteNameOf(home: GroupId): SpriteName {
  if (!isCoValueId(home))
    throw new RangeError(`${home} is not the id of a CoValue: its hash is not 19 bytes long`);
  return (PREFIX + base32nopad.encode(idToHash(home)).toLowerCase()) as SpriteName;
}

/** The home group that a Sprite's name was made from, or `undefined` for a name that {@link spriteNameOf} never makes. */
export function homeOfSprite(name: string): GroupId | undefined {
  if (!/^g-[a-z2-7]{31}$/.test(name)) return undefined;
  try {
    const home = asHome(idFromHash(base32nopad.decode(name.slice(PREFIX.length).toUpperCase())));
    return spriteNameOf(home) === name ? home : undefined;
  } catch {
    // base32 of 19 bytes has 3 spare bits; a name that sets them is not one of ours.
    return undefined;
  }
}
