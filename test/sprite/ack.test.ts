import type { SyncMessage } from "cojson";
import { expect, test } from "vitest";
import { emptyKnownState, type KnownState } from "../../shared/known-state.ts";
import { AckGate, claimOf, isTrue } from "../../sprite/ack.ts";
import { StoreLedger } from "../../sprite/store-ledger.ts";
import { until } from "../support/until.ts";
import { connect, listen, newAccount, newGroup, slowDisk, startSprite } from "./support.ts";

const ID = "co_zA";
const state = (count: number): KnownState => ({ header: true, sessions: { s: count } });
const known = (count: number, extra: object = {}) =>
  ({ action: "known", id: ID, ...state(count), ...extra }) as unknown as SyncMessage;
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function gateWith(durable: Record<string, KnownState> = {}) {
  const ledger = new StoreLedger((id) => durable[id] ?? emptyKnownState());
  const sent: SyncMessage[] = [];
  return { ledger, sent, gate: new AckGate(ledger, (message) => sent.push(message)), durable };
}

test("Whatever tells a client a state claims it: known, load and correction; an empty one claims nothing", () => {
  expect(claimOf(known(1)).kind).toBe("state");
  expect(claimOf(known(1, { isCorrection: true })).kind).toBe("state");
  expect(claimOf({ ...known(1), action: "load" } as SyncMessage).kind).toBe("state");
  expect(claimOf({ action: "known", id: ID, header: false, sessions: {} } as SyncMessage).kind).toBe(
    "nothing",
  );
  expect(claimOf({ action: "reconcile-ack", id: "batch" }).kind).toBe("everything");
  expect(claimOf({ action: "content", id: ID, priority: 0, new: {} } as SyncMessage).kind).toBe("nothing");
});

test("A claim about a state is true as soon as the disk covers it, even while newer transactions wait", () => {
  const { ledger, durable } = gateWith();
  const number = ledger.begin(ID, state(2));
  durable[ID] = state(1);
  expect(isTrue(claimOf(known(1)), number, ledger)).toBe(true);
  expect(isTrue(claimOf(known(2)), number, ledger)).toBe(false);
});

test("An acknowledgement waits for a store that begins after it in the same run, as cojson does it", async () => {
  const { gate, ledger, sent } = gateWith();
  gate.push(known(1));
  const number = ledger.begin(ID, state(1));
  await turn();
  expect(sent).toEqual([]);
  ledger.complete(number);
  expect(sent).toEqual([known(1)]);
});

test("Acknowledgements of one CoValue leave in their order, each when its own state is stored", async () => {
  const { gate, ledger, sent, durable } = gateWith();
  gate.push(known(1));
  const first = ledger.begin(ID, state(1));
  await turn();
  gate.push(known(2));
  const second = ledger.begin(ID, state(2));
  await turn();
  durable[ID] = state(1);
  ledger.complete(first);
  expect(sent).toEqual([known(1)]);
  durable[ID] = state(2);
  ledger.complete(second);
  expect(sent).toEqual([known(1), known(2)]);
});

test("An over-claiming acknowledgement of a deleted CoValue leaves when all its stores are done", async () => {
  const { gate, ledger, sent } = gateWith({ [ID]: state(1) });
  const number = ledger.begin(ID, state(1));
  gate.push(known(99));
  await turn();
  expect(sent).toEqual([]);
  ledger.complete(number);
  expect(sent).toEqual([known(99)]);
});

test("A reconcile-ack waits for the stores of all CoValues that began before it, and for no later one", async () => {
  const { gate, ledger, sent } = gateWith();
  const one = ledger.begin("co_zX", state(1));
  const other = ledger.begin("co_zY", state(1));
  gate.push({ action: "reconcile-ack", id: "batch" });
  await turn();
  ledger.begin("co_zZ", state(1));
  ledger.complete(other);
  expect(sent).toEqual([]);
  ledger.complete(one);
  expect(sent).toEqual([{ action: "reconcile-ack", id: "batch" }]);
});

test("What a failed store held is never acknowledged", async () => {
  const { gate, ledger, sent } = gateWith();
  gate.push(known(1));
  ledger.begin(ID, state(1));
  await turn();
  ledger.complete(ledger.begin("co_zX", state(1)));
  ledger.complete(ledger.begin(ID, { header: false, sessions: { other: 1 } }));
  expect(sent).toEqual([]);
});

test("Messages that claim nothing overtake what waits for the disk", async () => {
  const { gate, ledger, sent } = gateWith();
  ledger.begin(ID, state(1));
  gate.push(known(1));
  await turn();
  const notFound = { action: "known", id: "co_zX", header: false, sessions: {} } as unknown as SyncMessage;
  gate.push(notFound);
  expect(sent).toEqual([notFound]);
});

test("A closed gate sends nothing any more", async () => {
  const { gate, ledger, sent } = gateWith();
  const number = ledger.begin(ID, state(1));
  gate.push(known(1));
  await turn();
  gate.close();
  ledger.complete(number);
  expect(sent).toEqual([]);
});

test("Through a whole Sprite: an author hears nothing while the disk is slow, readers have the content already", async () => {
  const alice = newAccount();
  const group = newGroup(alice);
  group.addMember("everyone", "writer");
  const map = group.createMap();
  map.set("n", 1, "trusting");
  const disk = slowDisk();
  const sprite = await startSprite(group.id, { wrap: disk.wrap });
  const { peerId } = await connect(alice.core.node, sprite);
  await alice.core.node.syncManager.waitForSyncWithPeer(peerId, map.id, 5_000);
  const reader = await listen(sprite);
  reader.send({ action: "load", id: map.id, header: false, sessions: {} });
  await until(() => reader.of("content").some(({ id }) => id === map.id), { what: "the map" });

  disk.stop();
  map.set("n", 2, "trusting");
  const peer = alice.core.node.syncManager.peers[peerId];
  const synced = () => peer !== undefined && alice.core.node.syncManager.syncState.isSynced(peer, map.id);
  await until(() => reader.of("content").filter(({ id }) => id === map.id).length === 2, {
    what: "the update",
  });
  expect(disk.held).toBe(1);
  expect(synced()).toBe(false);
  disk.go();
  await until(synced, { what: "the acknowledgement" });
});
