import { SpriteSyncError } from "../../shared/errors.ts";

/** All Sprites' addresses are below it (facts/fly-sprites §4). */
const PLATFORM_SUFFIX = ".sprites.app";

/**
 * Makes sure that an address is a Sprite's, before the organization's token is sent there: it comes from answers and from
 * caches, and the token opens every Sprite.
 *
 * For the platform that is https, the default port, a name below `.sprites.app`; for an API elsewhere (a local host)
 * the API's own host.
 *
 * @throws SpriteSyncError `auth`
 */
export function trustAddress(address: string, apiUrl: string): void {
  const url = URL.parse(address);
  const api = new URL(apiUrl);
  const onPlatform = api.hostname.endsWith(".sprites.dev");
  const trusted = onPlatform
    ? url?.protocol === "https:" && url.port === "" && url.hostname.endsWith(PLATFORM_SUFFIX)
    : url?.hostname === api.hostname;
  if (trusted && url?.username === "" && url.password === "") return;
  throw new SpriteSyncError(
    "auth",
    `a Sprite's address leads to ${url?.hostname ?? "nowhere"}, where the token must not go; look it up again`,
  );
}
