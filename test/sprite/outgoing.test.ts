import type { RawBinaryCoStream } from "cojson";
import { expect, test } from "vitest";
import { until } from "../support/until.ts";
import { connect, listen, newAccount, newGroup, startSprite } from "./support.ts";

const CHUNK = 100_000;

async function spriteWithFile(chunks: number) {
  const alice = newAccount();
  const group = newGroup(alice);
  group.addMember("everyone", "reader");
  const file: RawBinaryCoStream = group.createBinaryStream();
  file.startBinaryStream({ mimeType: "x/y" }, "trusting");
  for (let n = 0; n < chunks; n++) file.pushBinaryStreamChunk(new Uint8Array(CHUNK).fill(n), "trusting");
  file.endBinaryStream("trusting");
  const other = newGroup(alice);
  other.extend(group);
  const sprite = await startSprite(group.id);
  const { node } = alice.core;
  const { peerId } = await connect(node, sprite);
  for (const { id } of [file, other]) await node.syncManager.waitForSyncWithPeer(peerId, id, 20_000);
  return { sprite, file, other };
}

test("A reader that stops reading in the middle of a file gets a group first, then the rest, nothing lost", async () => {
  const { sprite, file, other } = await spriteWithFile(200);
  const reader = await listen(sprite);
  reader.socket.pause();
  reader.send({ action: "load", id: file.id, header: false, sessions: {} });
  reader.send({ action: "load", id: other.id, header: false, sessions: {} });
  // The Sprite answers a later upstream, so it has handled what came before on this machine's one node.
  const witness = await listen(sprite);
  witness.send({ action: "load", id: other.id, header: false, sessions: {} });
  await until(() => witness.of("content").some(({ id }) => id === other.id), { what: "the witness" });
  reader.socket.resume();

  const total = file.core.knownState().sessions;
  const reached = () =>
    Math.max(
      0,
      ...reader
        .of("content")
        .filter(({ id }) => id === file.id)
        .flatMap((content) =>
          Object.values(content.new as Record<string, { after: number; newTransactions: [] }>),
        )
        .map(({ after, newTransactions }) => after + newTransactions.length),
    );
  await until(() => reached() === Object.values(total)[0], { what: "the whole file" });
  const ids = reader.of("content").map(({ id }) => id);
  expect(ids.indexOf(other.id)).toBeGreaterThan(-1);
  expect(ids.indexOf(other.id)).toBeLessThan(ids.lastIndexOf(file.id) - 10);
});

test("What the node answers in one go shares frames", async () => {
  const { sprite, other } = await spriteWithFile(1);
  const reader = await listen(sprite);
  let frames = 0;
  reader.socket.on("message", () => frames++);
  const load = JSON.stringify({ action: "load", id: other.id, header: false, sessions: {} });
  reader.send(Array.from({ length: 50 }, () => load).join("\n"));
  await until(() => reader.of("content").filter(({ id }) => id === other.id).length === 50, {
    what: "the answers",
  });
  expect(frames).toBeLessThan(25);
});
