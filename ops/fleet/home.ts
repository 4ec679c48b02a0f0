import { SpriteSyncError } from "../../shared/errors.ts";
import { asHome, type GroupId, parseCoValueId } from "../../shared/ids.ts";
import { homeOfSprite } from "../../shared/sprite-name.ts";

/**
 * The group that an operator names, by its id or by its Sprite's name.
 * @throws SpriteSyncError `config-invalid`
 */
export function parseHome(text: string): GroupId {
  const id = parseCoValueId(text);
  const home = id ? asHome(id) : homeOfSprite(text);
  if (home) return home;
  throw new SpriteSyncError("config-invalid", `${text} is no group's id (co_z…) and no Sprite's name (g-…)`);
}
