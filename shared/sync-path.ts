import { type CoValueId, parseCoValueId } from "./ids.ts";

/** A path at which WebSockets are opened; `home` is a group that the client says it will use. */
export interface SyncPath {
  readonly home?: CoValueId;
}

/** `/` is what remains when only the host in the address of another sync server is exchanged. */
const SYNC_PATHS = ["/sync", "/sync/", "/"];

/** @returns what a path without its query means for a WebSocket; `undefined`: none is opened there. */
export function readSyncPath(path: string): SyncPath | undefined {
  if (SYNC_PATHS.includes(path)) return {};
  const home = parseCoValueId(/^\/sync\/([^/]+)\/?$/.exec(path)?.[1]);
  return home && { home };
}

/** Where the health of a server is told. */
export const HEALTH_PATHS: readonly string[] = ["/health", "/healthz"];

/** The answer to a WebSocket at any other path, with status 404. */
export const NO_SOCKET_HERE =
  "no WebSocket is opened at this path; connect to /sync (wss://<host>/sync), or to /sync/<the id of a group>\n";

/** A path, as far as a log may show it: it may hold what a client put there by mistake. */
export function shownPath(path: string): string {
  return path.slice(0, 40);
}
