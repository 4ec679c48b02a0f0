import type { SpriteAddress } from "../../edge/fleet/fleet.ts";
import { SpriteSyncError } from "../../shared/errors.ts";
import type { GroupId } from "../../shared/ids.ts";
import { PASS_HEADER, type PassKeys, signPass } from "../../shared/pass.ts";

/** A store with damaged files may have to be read twice. */
const PAGE_MS = 60_000;

/**
 * What lives in a group, as its Sprite tells, a page at a time. The Sprite has to be awake.
 * @throws SpriteSyncError `transient`, or what the Sprite refuses.
 */
export async function* residentsOf(
  address: SpriteAddress,
  home: GroupId,
  keys: PassKeys,
): AsyncGenerator<readonly string[]> {
  for (let from: number | null = 0; from !== null; ) {
    const headers = {
      ...address.headers,
      [PASS_HEADER]: await signPass({ home, session: "operator" }, keys),
    };
    const response: Response = await fetch(`${address.url}/residents?from=${from}`, {
      headers,
      redirect: "manual",
      signal: AbortSignal.timeout(PAGE_MS),
    }).catch((cause) => {
      throw new SpriteSyncError("transient", `the Sprite of ${home} gave no answer`, { cause });
    });
    const body = (await response.json().catch(() => ({}))) as Partial<Page>;
    if (!response.ok || !Array.isArray(body.ids))
      throw new SpriteSyncError("transient", `the Sprite of ${home} answered ${response.status}`);
    yield body.ids;
    from = body.next ?? null;
  }
}

/** As `sprite/residents.ts` tells it. */
interface Page {
  readonly ids: readonly string[];
  readonly next: number | null;
}
