import { afterAll, beforeAll, expect, test } from "vitest";
import { World } from "../../bench/sync/world.ts";
import { FILE_BYTES, Uploader } from "../../bench/upload/uploader.ts";
import { startClient } from "../support/client.ts";
import { startGuest } from "../support/guest.ts";
import { type PlainServer, startPlainServer } from "../support/plain-server.ts";

let server: PlainServer;
beforeAll(async () => {
  server = await startPlainServer({ storage: "memory" });
});
afterAll(() => server?.close());

test("each measured work comes to its end, again and again, and takes time", async () => {
  const sizes = { burst: 20, stream: 5, single: 3, fanOut: 3, readers: 2, created: 4, values: 10 };
  const world = await World.open("plain", server.url, sizes);
  for (const work of ["single", "fanOut", "stream", "burst", "create", "load"] as const) {
    for (const sample of [await world[work](), await world[work]()]) {
      for (const ms of Object.values(sample)) expect(ms).toBeGreaterThan(0);
    }
  }
  await world.close();
});

test("a guest reads what everyone may read, and leaves nothing on the server", async () => {
  const writer = await startClient(server.url);
  const group = writer.node.createGroup();
  group.addMember("everyone", "reader");
  const map = group.createMap({ title: "open to all" });
  await writer.synced();
  const ids = () => [...server.node.allCoValues()].map(({ id }) => id);
  const before = ids();
  const guest = await startGuest(server.url);
  expect((await guest.load(map.id)).get("title")).toBe("open to all");
  expect(ids()).toEqual(before);
  await guest.close();
  await writer.close();
});

test("a file of 10 MB is uploaded again and again, and what was sent is counted", async () => {
  const uploader = await Uploader.open(server.url);
  for (const target of ["new group", "awake group"] as const) {
    const { ms, mb } = await uploader.upload(target);
    expect(ms).toBeGreaterThan(0);
    // Encryption and base64, twice.
    expect(mb).toBeGreaterThan((1.7 * FILE_BYTES) / 1_000_000);
    expect(mb).toBeLessThan((1.9 * FILE_BYTES) / 1_000_000);
  }
  expect(uploader.corrections).toBe(0);
  await uploader.close();
});
