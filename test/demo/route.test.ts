import { parseInviteLink } from "jazz-tools";
import { describe, expect, it } from "vitest";
import { inviteLink, listHref, parseRoute } from "../../demo/src/route.ts";

const LIST = "co_zjUbEXZBKUu5xeCm8RiA2hPriNS";
const SECRET = "inviteSecret_zCfTcMbeBuBwMuYu2TWBzaGSw7HgzM3FHveKXXyub5cAa";

describe("the address of the demo page", () => {
  it("without a hash is the start page", () => {
    expect(["", "#", "#/"].map(parseRoute)).toEqual([{ page: "home" }, { page: "home" }, { page: "home" }]);
  });

  it("of a list leads back to that list", () => {
    expect(parseRoute(listHref(LIST))).toEqual({ page: "list", listId: LIST });
  });

  it("as a share link keeps the query, drops the old hash, and reads back", () => {
    const link = inviteLink(`https://lists.example/?sync=ws://other/sync#/list/${LIST}`, LIST, SECRET);
    expect(link).toBe(`https://lists.example/?sync=ws://other/sync#/invite/list/${LIST}/${SECRET}`);
    expect(parseRoute(new URL(link).hash)).toEqual({ page: "invite", listId: LIST, secret: SECRET });
  });

  it("as a share link means the same to jazz-tools", () => {
    expect(parseInviteLink(inviteLink("https://lists.example/", LIST, SECRET))).toEqual({
      valueID: LIST,
      valueHint: "list",
      inviteSecret: SECRET,
    });
  });

  it.each([
    ["an id that is none", "#/list/abc"],
    ["an id with a letter base58 has not", "#/list/co_z0OIl"],
    ["an id that was cut", `#/list/${LIST.slice(0, -2)}`],
    ["an id of too many letters", `#/list/${LIST}z`],
    ["an id that no hash has", `#/list/co_z${"z".repeat(26)}`],
    ["an invite to an id that was cut", `#/invite/list/${LIST.slice(0, -2)}/${SECRET}`],
    ["no id", "#/list/"],
    ["an invite without its secret", `#/invite/list/${LIST}`],
    ["an invite with a cut secret", `#/invite/list/${LIST}/inviteSecret`],
    ["an invite to something else", `#/invite/other/${LIST}/${SECRET}`],
    ["too many parts", `#/list/${LIST}/${LIST}`],
    ["another page", "#/settings"],
    ["no slash", "#list"],
  ])("with %s is not mistaken for a page", (_, hash) => {
    expect(parseRoute(hash)).toEqual({ page: "unknown" });
  });
});
