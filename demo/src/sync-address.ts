/**
 * Where the app syncs: `/sync` on the page's own origin, or the `?sync=ws://…` of the page's address.
 *
 * @throws Error with a sentence for the reader when `?sync=` is not a WebSocket address.
 */
export function syncAddress(pageHref: string): `ws://${string}` | `wss://${string}` {
  const page = new URL(pageHref);
  const wanted = page.searchParams.get("sync");
  if (wanted !== null) return parseOverride(wanted);
  return page.protocol === "https:" ? `wss://${page.host}/sync` : `ws://${page.host}/sync`;
}

function parseOverride(wanted: string): `ws://${string}` | `wss://${string}` {
  const url = URL.canParse(wanted) ? new URL(wanted) : undefined;
  if (url?.protocol === "ws:") return `ws://${url.href.slice("ws://".length)}`;
  if (url?.protocol === "wss:") return `wss://${url.href.slice("wss://".length)}`;
  throw new Error("The ?sync= part of this page's address must start with ws:// or wss://.");
}
