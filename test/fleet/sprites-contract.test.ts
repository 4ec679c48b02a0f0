import { testFleet } from "./contract.ts";
import { startLocalSprites } from "./local-sprites.ts";

testFleet("the Sprites fleet on the local host", async () => {
  const sprites = await startLocalSprites();
  return { client: sprites.fleet, regions: ["lcl"], token: sprites.host.token, end: sprites.end };
});
