import { idToHash, parseCoValueId } from "../../shared/ids.ts";

/** What the part after `#` asks for. */
export type Route =
  | { readonly page: "home" }
  | { readonly page: "list"; readonly listId: string }
  | { readonly page: "invite"; readonly listId: string; readonly secret: string }
  | { readonly page: "unknown" };

const SECRET = /^inviteSecret_z[1-9A-HJ-NP-Za-km-z]+$/;

/** @param hash `location.hash`, with its `#`. */
export function parseRoute(hash: string): Route {
  const [root = "", page = "", ...rest] = hash.replace(/^#/, "").split("/");
  if (root !== "") return { page: "unknown" };
  if (page === "") return { page: "home" };

  const [first = "", second = "", third = ""] = rest;
  if (page === "list" && rest.length === 1 && isId(first)) return { page: "list", listId: first };
  if (page === "invite" && rest.length === 3 && first === "list" && isId(second) && SECRET.test(third)) {
    return { page: "invite", listId: second, secret: third };
  }
  return { page: "unknown" };
}

/** Whether there can be a value of this id: a mistyped or cut one is told at once, and asks no server. */
function isId(text: string): boolean {
  const id = parseCoValueId(text);
  return id !== undefined && idToHash(id) !== undefined;
}

export const HOME_HREF = "#/";

export function listHref(listId: string): string {
  return `#/list/${listId}`;
}

/** The link to send to somebody, in the form of jazz-tools' `createInviteLink` with the hint `list`. */
export function inviteLink(pageHref: string, listId: string, secret: string): string {
  return `${pageHref.replace(/#.*$/, "")}#/invite/list/${listId}/${secret}`;
}
