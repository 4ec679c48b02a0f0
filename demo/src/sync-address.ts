/**
 * Where the app syncs: `/sync` on the page's own origin, or the `?sync=ws://…` of the page's address. An edge that is asked
 * with `tell=sprites` says when Sprites sleep and wake; other servers do not mind.
 *
 * @throws Error with a sentence for the reader when `?sync=` is not a WebSocket address.
 */
export function syncAddress(pageHref: string): `ws://${string}` | `wss://${string}` {
  const page = new URL(pageHref);
  const wanted = page.searchParams.get("sync");
  if (wanted !== null) return parseOverride(wanted);
  const scheme = page.protocol === "https:" ? "wss" : "ws";
  return `${scheme}://${page.host}/sync?tell=sprites`;
}

function parseOverride(wanted: string): `ws://${string}` | `wss://${string}` {
  const url = URL.canParse(wanted) ? new URL(wanted) : undefined;
  url?.searchParams.set("tell", "sprites");
  if (url?.protocol === "ws:") return `ws://${url.href.slice("ws://".length)}`;
  if (url?.protocol === "wss:") return `wss://${url.href.slice("wss://".length)}`;
  throw new Error("The ?sync= part of this page's address must start with ws:// or wss://.");
}
