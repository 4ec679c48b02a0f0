import { SpriteSyncError } from "../shared/errors.ts";
import { type GroupId, parseCoValueId } from "../shared/ids.ts";
import type { Directory } from "./directory.ts";

/** What became of ids that were entered into the directory. */
export interface IndexView {
  /** How many of them the directory has in this group now. */
  readonly here: number;
  /** Those that it has elsewhere. That is not changed: whoever registered them first was believed by clients. */
  readonly elsewhere: readonly string[];
}

/**
 * Enters what a Sprite says lives in its group into a directory that may have been lost.
 * @throws SpriteSyncError `transient` when a shard does not answer; what the others took stays.
 */
export async function indexResidents(
  directory: Pick<Directory, "register">,
  ids: readonly string[],
  home: GroupId,
): Promise<IndexView> {
  const parsed = ids.map(parseCoValueId).filter((id) => id !== undefined);
  const { homes, unreachable } = await directory.register(new Map(parsed.map((id) => [id, home])));
  if (unreachable.size > 0)
    throw new SpriteSyncError("transient", `the directory did not answer for ${unreachable.size} ids`);
  const elsewhere = parsed.filter((id) => homes.get(id) !== home);
  return { here: parsed.length - elsewhere.length, elsewhere };
}
