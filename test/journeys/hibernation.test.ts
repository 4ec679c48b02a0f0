import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type EdgeHost, startEdgeHost } from "../../dev/edge-host.ts";
import { freePort } from "../../dev/fleet/free-port.ts";
import { asHome, idFromHash } from "../../shared/ids.ts";
import { until } from "../support/until.ts";

const COORDINATORS = 40;
const homes = Array.from({ length: COORDINATORS }, (_, n) =>
  asHome(idFromHash(new Uint8Array(19).fill(n + 1))),
);

let host: EdgeHost;
const constructed: string[] = [];

beforeAll(async () => {
  host = await startEdgeHost({
    port: await freePort(),
    vars: {
      PASS_KEYS: "a-secret-for-tests-of-at-least-32-characters",
      FLY_APP_NAME: "none",
      FLY_APP_URL: "http://127.0.0.1:9",
      FLY_API_URL: "http://127.0.0.1:9",
      FLY_API_TOKEN: "none",
      SPRITE_IMAGE: "none",
      SYNC_URL: "ws://127.0.0.1:9/sync",
    },
    entry: fileURLToPath(new URL("./sleeping-coordinators.ts", import.meta.url)),
    onLog: (line) => {
      const name = /constructed (\S+)/.exec(line)?.[1];
      if (name) constructed.push(name);
    },
  });
});
afterAll(() => host?.close());

const met = async (home: string, number: number) => {
  const response = await fetch(`${host.pageUrl}met?home=${home}&number=${number}`);
  expect(await response.text()).toBe("met");
};

/** Watches the end of period `boot`; what it is told goes into `heard`. */
async function watch(home: string, boot: string, heard: string[]): Promise<WebSocket> {
  const socket = new WebSocket(`${host.pageUrl.replace("http", "ws")}watch?home=${home}&boot=${boot}`);
  socket.on("message", (data) => heard.push(data.toString()));
  await new Promise((open, fail) => socket.once("open", open).once("error", fail));
  return socket;
}

test("A coordinator with watchers leaves memory when nothing happens, and tells them all the same", async () => {
  const heard = new Map<string, string[]>();
  for (const home of homes) {
    const told: string[] = [];
    heard.set(home, told);
    await met(home, 1);
    await watch(home, "b1", told);
    await watch(home, "b1", told);
  }
  await until(() => constructed.length === COORDINATORS, { what: "one construction of each" });
  // To look is to wake: each is looked at once, later than the one before, until one has been constructed anew.
  const unseen = [...homes];
  const hibernated = await until(
    async () => {
      const home = unseen.shift();
      if (!home) throw new Error("no coordinator has left memory");
      await new Promise((next) => setTimeout(next, 500));
      await met(home, 2);
      await until(() => heard.get(home)?.length === 2, { what: "both watchers being told" });
      return constructed.filter((name) => name === home).length === 2 && home;
    },
    { what: "a coordinator that was constructed anew", timeoutMs: 40_000 },
  );
  expect(heard.get(hibernated)).toEqual(Array(2).fill('{"type":"awake","spreadMs":0}'));
  // Whoever watches the end of the old period after that is told at once.
  const late: string[] = [];
  await watch(hibernated, "b1", late);
  await until(() => late.length === 1, { what: "the late watcher being told" });
}, 60_000);
