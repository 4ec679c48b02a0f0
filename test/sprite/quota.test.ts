import { join } from "node:path";
import type { RawCoID } from "cojson";
import { expect, test, vi } from "vitest";
import { idOfHeader } from "../../shared/header.ts";
import type { QuotaOptions } from "../../sprite/quota.ts";
import type { SpriteDeps, SpriteStorage } from "../../sprite/sprite.ts";
import { openStorage } from "../../sprite/storage/index.ts";
import { until } from "../support/until.ts";
import { type Actor, actor, comeOnline, writeInto } from "./roles.ts";
import {
  contentOf,
  crypto,
  type Listener,
  listen,
  SILENT,
  startSprite,
  temporaryDirectory,
} from "./support.ts";

const KIB = 1024;
const SMALL: QuotaOptions = { strangerBytes: 64 * KIB, strangerValues: 10 };

async function startSmall(home: string, quota: QuotaOptions, deps: Partial<SpriteDeps> = {}) {
  let storage: (SpriteStorage & { readonly bytes: number }) | undefined;
  const directory = temporaryDirectory();
  const sprite = await startSprite(home, {
    directory,
    openStorage: async () => {
      storage = await openStorage(join(directory, "store"));
      return storage;
    },
    quota,
    ...deps,
  });
  const stored = (): Promise<RawCoID[]> =>
    new Promise((resolve) => storage?.getCoValueIDs(10_000, 0, (ids) => resolve(ids.map(({ id }) => id))));
  return { sprite, directory, stored, bytes: () => storage?.bytes ?? 0 };
}

function bareHeader(group: string) {
  const header = {
    type: "comap",
    ruleset: { type: "ownedByGroup", group },
    meta: null,
    ...crypto.createdNowUnique(),
  };
  return { action: "content", id: idOfHeader(header), header, priority: 3, new: {} };
}

/** Waits until all that was sent on a socket before has been handled. */
async function handled(edge: Listener): Promise<void> {
  const id = `mark-${Math.random()}`;
  edge.send({ action: "reconcile", id, values: [] });
  await until(() => edge.of("reconcile-ack").some((ack) => ack.id === id), { what: "the mark's answer" });
}

const refusals = (edge: Listener) => edge.of("error").filter(({ code }) => code === "over-quota");

const healthOf = async ({ url }: { url: string }) =>
  (await (await fetch(url.replace("ws:", "http:").replace("/sync", "/health"))).json()) as {
    quota?: { strangers?: { bytes: number; values: number; full: boolean }; members?: { full: boolean } };
  };

/** A home whose owner is connected. */
async function ownedHome(quota: QuotaOptions, deps: Partial<SpriteDeps> = {}) {
  const owner = actor("owner");
  const group = owner.node.createGroup();
  const started = await startSmall(group.id, quota, deps);
  const leave = await comeOnline(owner, started.sprite);
  await group.core.waitForSync();
  return { owner, group, leave, ...started };
}

async function writes(owner: Actor, group: RawCoID, text: string): Promise<RawCoID> {
  const id = writeInto(owner, group, text);
  await owner.node.expectCoValueLoaded(id).waitForSync();
  return id;
}

test("Strangers fill no more than their quota, in whatever way, while the owner goes on writing", async () => {
  const { owner, group, sprite, stored, bytes } = await ownedHome(SMALL);
  const edge = await listen(sprite);
  for (let round = 0; round < 5; round++) {
    const stranger = actor("stranger");
    edge.socket.on("message", (data) => {
      for (const text of data.toString().split("\n")) {
        const { action, id } = JSON.parse(text);
        if (action === "load" && id === stranger.account.id)
          for (const message of contentOf(stranger.node, id)) edge.send(message);
      }
    });
    for (let value = 0; value < 20; value++) edge.send(bareHeader(group.id));
    for (let value = 0; value < 20; value++) {
      const id = writeInto(stranger, group.id, "x".repeat(8 * KIB));
      for (const message of contentOf(stranger.node, id)) edge.send(message);
    }
    await writes(owner, group.id, `round ${round}`);
  }
  await until(() => refusals(edge).length >= 5 * 40 - 10, { what: "the refusals" });
  const ids = await stored();
  const strangers = ids.filter((id) => ![...owner.values, group.id, owner.account.id].includes(id));
  expect(strangers.length).toBeLessThanOrEqual(10);
  expect(ids).toEqual(expect.arrayContaining(owner.values));
  // Five values, a group and an account of the owner are some 10 KB.
  expect(bytes()).toBeLessThan(64 * KIB + 32 * KIB);
});

test("What claims to be a member's is stored only if the member signed it", async () => {
  const { owner, group, sprite, stored } = await ownedHome({ strangerBytes: 0, strangerValues: 0 });
  const [genuine] = contentOf(owner.node, await writes(owner, group.id, "genuine"));
  const parts = Object.entries(genuine?.new ?? {}).map(([coSession, part]) => [
    coSession,
    { ...part, newTransactions: part.newTransactions.map((one) => ({ ...one, madeAt: 1 })) },
  ]);
  const edge = await listen(sprite);
  const forged = Array.from({ length: 20 }, () => ({
    ...bareHeader(group.id),
    new: Object.fromEntries(parts),
  }));
  for (const message of forged) edge.send(message);
  await until(() => edge.of("error").length >= forged.length, { what: "the refusals" });
  const ids: string[] = await stored();
  expect(forged.filter(({ id }) => ids.includes(id))).toEqual([]);
});

test("Headers without content of someone who writes with a role are no stranger's", async () => {
  const { owner, group, leave, sprite, stored } = await ownedHome({ strangerBytes: 0, strangerValues: 0 });
  leave();
  const empty = owner.node.createCoValue({
    type: "colist",
    ruleset: { type: "ownedByGroup", group: group.id },
    meta: null,
    ...crypto.createdNowUnique(),
  });
  const edge = await listen(sprite);
  for (const message of contentOf(owner.node, empty.id)) edge.send(message);
  await until(() => refusals(edge).some(({ id }) => id === empty.id), { what: "the refusal" });
  const value = writeInto(owner, group.id);
  edge.socket.on("message", (data) => {
    for (const text of data.toString().split("\n")) {
      const { action, id, isCorrection } = JSON.parse(text);
      if (action === "known" && isCorrection && id === empty.id)
        for (const message of contentOf(owner.node, empty.id)) edge.send(message);
    }
  });
  for (const message of contentOf(owner.node, value)) edge.send(message);
  await until(async () => (await stored()).includes(empty.id), { what: "the empty list" });
});

test("What strangers have stored is remembered over a restart, and told in health and log from 80 %", async () => {
  const file = join(temporaryDirectory(), "strangers");
  const warn = vi.fn();
  const { group, sprite, directory } = await ownedHome({ ...SMALL, file });
  const before = await listen(sprite);
  for (let value = 0; value < 7; value++) before.send(bareHeader(group.id));
  await handled(before);
  expect(await healthOf(sprite)).not.toHaveProperty("quota");
  await sprite.sprite.close();

  const again = await startSprite(group.id, {
    directory,
    quota: { ...SMALL, file },
    log: { ...SILENT, warn },
  });
  const edge = await listen(again);
  for (let value = 0; value < 7; value++) edge.send(bareHeader(group.id));
  await until(() => refusals(edge).length === 4, { what: "four refusals" });
  expect((await healthOf(again)).quota).toMatchObject({ strangers: { values: 10, full: true } });
  await until(() => warn.mock.calls.some(([fields]) => fields.quota === "strangers"), {
    what: "the warning",
  });
});

test("A store that has reached its size takes nothing more, and says so", async () => {
  const directory = temporaryDirectory();
  const owner = actor("owner");
  const group = owner.node.createGroup();
  const sprite = await startSprite(group.id, {
    directory,
    quota: { directory: join(directory, "store"), memberBytes: 1 },
  });
  const edge = await listen(sprite);
  for (const message of contentOf(owner.node, group.id)) edge.send(message);
  await until(() => refusals(edge).length > 0, { what: "the refusal" });
  expect((await healthOf(sprite)).quota).toMatchObject({ members: { full: true } });
});
