import { createServer } from "node:net";
import { freePort } from "./fleet/free-port.ts";
import { keptSecret } from "./kept-secret.ts";

/**
 * A free port of 127.0.0.1: the one that `file` names, so that it stays the same from run to run. Edges keep the addresses
 * of Sprites, and Sprites the edge's, and on Fly and Cloudflare neither changes with a restart. Another port when
 * somebody else has taken it meanwhile.
 */
export async function keptPort(file: string): Promise<number> {
  const kept = Number(await keptSecret(file, async () => String(await freePort())));
  return (await isFree(kept)) ? kept : freePort();
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
