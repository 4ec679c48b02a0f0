import { test } from "vitest";
import { join } from "node:path";
import { startPlainServer } from "../support/plain-server.ts";
import { connect, newAccount, newGroup, startSprite, temporaryDirectory } from "./support.ts";
test("bench", async () => {
  for (let round = 0; round < 4; round++) {
    for (const kind of ["plain", "sprite"]) {
      const alice = newAccount(); const group = newGroup(alice); const node = alice.core.node;
      const maps = Array.from({ length: 1500 }, (_, i) => { const m = group.createMap(); m.set("i", i, "trusting"); return m; });
      const one = group.createMap();
      const server = kind === "plain" ? await startPlainServer({ storage: { sqlite: join(temporaryDirectory(), "x.db"), synchronous: "NORMAL" } }) : undefined;
      const sprite = server ? { url: server.url, home: group.id as never } : await startSprite(group.id);
      const t0 = performance.now();
      const { peerId } = await connect(node, sprite);
      await Promise.all(maps.map((m) => node.syncManager.waitForSyncWithPeer(peerId, m.id, 20000)));
      const t1 = performance.now();
      for (let i = 0; i < 1500; i++) one.set("k" + i, i, "trusting");
      await node.syncManager.waitForSyncWithPeer(peerId, one.id, 20000);
      const t2 = performance.now();
      for (let i = 0; i < 200; i++) { one.set("q", i, "trusting"); await node.syncManager.waitForSyncWithPeer(peerId, one.id, 20000); }
      const t3 = performance.now();
      console.log(kind, "1500 maps", (t1 - t0).toFixed(0), "1500 txs", (t2 - t1).toFixed(0), "200 rtt", (t3 - t2).toFixed(0));
      await server?.close();
    }
  }
}, 100000);
