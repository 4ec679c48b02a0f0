import { testFleet } from "./contract.ts";
import { startLocalFly } from "./local-fly.ts";

testFleet("the Machines fleet on the local host", async () => {
  const fly = await startLocalFly();
  return { client: fly.fleet, regions: ["fra", "ams"], token: fly.host.token, end: fly.end };
});
