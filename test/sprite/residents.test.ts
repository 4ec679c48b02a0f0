import { expect, test } from "vitest";
import { asHome, parseCoValueId } from "../../shared/ids.ts";
import { PASS_HEADER, signPass } from "../../shared/pass.ts";
import {
  asGroupId,
  connect,
  newAccount,
  newGroup,
  PASS_KEYS,
  startSprite,
  type TestSprite,
  temporaryDirectory,
} from "./support.ts";

async function residents({ url, home }: TestSprite, from = 0, pass?: string) {
  const headers = { [PASS_HEADER]: pass ?? (await signPass({ home, session: "operator" }, PASS_KEYS)) };
  const response = await fetch(`${url.replace(/^ws(.*)\/sync$/, "http$1")}/residents?from=${from}`, {
    headers,
  });
  return { status: response.status, body: (await response.json()) as { ids: string[]; next: number | null } };
}

test("tells what lives here: the home, what it owns, groups that extend it; not the accounts and parents that came along", async () => {
  const account = newAccount();
  const elsewhere = newGroup(account);
  const home = newGroup(account);
  home.extend(elsewhere);
  const child = newGroup(account);
  child.extend(home);
  const values = [home, child].flatMap((group) => [group.createMap(), group.createMap()]);
  for (const [n, map] of values.entries()) map.set("n", n, "trusting");
  const sprite = await startSprite(home.id);
  const { peerId } = await connect(account.core.node, sprite);
  for (const { id } of values) await account.core.node.syncManager.waitForSyncWithPeer(peerId, id, 5_000);

  const { status, body } = await residents(sprite);
  expect(status).toBe(200);
  expect(body.next).toBeNull();
  expect(body.ids.toSorted()).toEqual([home, child, ...values].map(({ id }) => id as string).toSorted());
  // Past the end there is nothing, and no error.
  expect((await residents(sprite, 5_000)).body).toEqual({ ids: [], next: null });
});

test("tells it a page at a time, also to whoever asks a Sprite that has just started, with nothing in memory", async () => {
  const account = newAccount();
  const home = newGroup(account);
  const directory = temporaryDirectory();
  const first = await startSprite(home.id, { directory });
  const { peerId } = await connect(account.core.node, first);
  const maps = Array.from({ length: 1_100 }, () => home.createMap());
  for (const map of maps) map.set("n", 1, "trusting");
  for (const { id } of maps) await account.core.node.syncManager.waitForSyncWithPeer(peerId, id, 20_000);
  await first.sprite.close();
  const again = await startSprite(home.id, { directory });
  const one = await residents(again);
  expect(one.body.next).toBe(1_000);
  const two = await residents(again, one.body.next ?? 0);
  expect(two.body.next).toBeNull();
  const told = [...one.body.ids, ...two.body.ids];
  expect(told.toSorted()).toEqual([home, ...maps].map(({ id }) => id as string).toSorted());
});

test("tells nothing to whoever has no pass for this Sprite", async () => {
  const home = newGroup(newAccount());
  const sprite = await startSprite(home.id);
  const other = asHome(parseCoValueId(newGroup(newAccount()).id) ?? asGroupId(home.id));
  const passes = ["", "nonsense", await signPass({ home: other, session: "operator" }, PASS_KEYS)];
  for (const pass of passes) {
    const { status, body } = await residents(sprite, 0, pass);
    expect([401, 421]).toContain(status);
    expect(body.ids).toBeUndefined();
  }
});
