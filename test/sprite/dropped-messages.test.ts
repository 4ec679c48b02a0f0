import { cojsonInternals, LocalNode, type SyncMessage } from "cojson";
import { expect, test } from "vitest";
import { idOfHeader } from "../../shared/header.ts";
import { DroppedMessages } from "../../sprite/dropped-messages.ts";
import { ODD_HEADERS, odd } from "../support/odd-headers.ts";
import { until } from "../support/until.ts";
import { contentOf, crypto, newAccount, newGroup } from "./support.ts";

/** A node with one client, which hears `answered`; `dropped` is what the node left without an answer. */
function nodeWithClient() {
  const secret = crypto.newRandomAgentSecret();
  const node = new LocalNode(secret, crypto.newRandomSessionID(crypto.getAgentID(secret)), crypto);
  const incoming = new cojsonInternals.ConnectedPeerChannel();
  const answered: SyncMessage[] = [];
  node.syncManager.addPeer({
    id: "client",
    role: "client",
    incoming,
    outgoing: {
      push: (message) => void (message !== "Disconnected" && answered.push(message)),
      close: () => {},
      onClose: () => {},
    },
  });
  const dropped: SyncMessage[] = [];
  const stop = new DroppedMessages(node).listen("client", (message) => dropped.push(message));
  return { node, answered, dropped, stop, send: (message: object) => incoming.push(message as SyncMessage) };
}

/** Content that any cojson node drops, though its header hashes to its id. */
const HEADER = ODD_HEADERS["an unknown member"];
const refused = { action: "content", id: idOfHeader(HEADER), header: HEADER, priority: 3, new: {} };

test("Content whose header does not pass cojson's core is dropped", async () => {
  const { dropped, answered, send } = nodeWithClient();
  send(refused);
  await until(() => dropped.length > 0, { what: "the report" });
  expect([dropped, answered]).toEqual([[refused], []]);
});

test("A message at which cojson throws is dropped, and the next one is handled", async () => {
  const { dropped, answered, send } = nodeWithClient();
  const header = odd();
  const broken = { action: "content", id: idOfHeader(header), header, priority: 3, new: null };
  send(broken);
  await until(() => dropped.length > 0, { what: "the report" });
  expect(dropped).toEqual([broken]);
  const id = idOfHeader("something else");
  send({ action: "load", id, header: false, sessions: {} });
  await until(() => answered.some((message) => "id" in message && message.id === id), { what: "the answer" });
});

test("What a client says of a value of which the node has given it up is dropped", async () => {
  const { node, dropped, send } = nodeWithClient();
  const id = idOfHeader("a value") as string as `co_z${string}`;
  node.getCoValue(id).markErrored("client", new Error("given up"));
  const load = { action: "load", id, header: false, sessions: {} };
  send(load);
  await until(() => dropped.length > 0, { what: "the report" });
  expect(dropped).toEqual([load]);
});

test("What is answered, or waits for what it depends on, is not dropped; nor is anything reported after the end", async () => {
  const { dropped, answered, send, stop } = nodeWithClient();
  const alice = newAccount();
  const group = newGroup(alice);
  for (const message of contentOf(alice.core.node, group.id)) send(message as object);
  await until(() => answered.some((message) => message.action === "load" && message.id === alice.id), {
    what: "the question for the author's account",
  });
  for (const message of contentOf(alice.core.node, alice.id)) send(message as object);
  const isStored = (message: SyncMessage) =>
    message.action === "known" && message.header && message.id === group.id;
  await until(() => answered.some(isStored), { what: "the acknowledgement" });
  stop();
  send(refused);
  send({ action: "reconcile", id: "after", values: [] });
  await until(() => answered.some(({ action }) => action === "reconcile-ack"), { what: "the end" });
  expect(dropped).toEqual([]);
});
