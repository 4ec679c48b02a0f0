import { startClient } from "./support/client.ts";

const c = await startClient(process.argv[2] ?? "");
const g = c.node.createGroup();
g.addMember("everyone", "writer");
const m = g.createMap({ a: 1 });
await c.synced();
await new Promise((r) => setTimeout(r, 6000));
m.set("a", 2);
await c.synced();
await c.close();
process.exit();
