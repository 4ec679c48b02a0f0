import { fileURLToPath } from "node:url";
import type { RawCoMap } from "cojson";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { CLOSE, LIMITS } from "../../shared/limits.ts";
import { type Client, startClient } from "../support/client.ts";
import { type JazzApp, startJazzApp } from "../support/jazz-app.ts";
import { startTestStack, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";
import type { SocketEnd } from "../support/watched-sockets.ts";

describe("clients whose sessions end while edits go on", () => {
  let stack: TestStack;
  let clients: [Client, Client];
  let apps: [JazzApp, JazzApp];
  let maps: [RawCoMap, RawCoMap];
  let project: string;
  let edits = 0;
  const ends: [SocketEnd[], SocketEnd[]] = [[], []];
  const complaints = vi.spyOn(console, "error");

  beforeAll(async () => {
    stack = await startTestStack({
      edgeEntry: fileURLToPath(new URL("./recycling-edge.ts", import.meta.url)),
    });
    const open = (n: 0 | 1) => startClient(stack.syncUrl, { onSocketEnd: (end) => ends[n].push(end) });
    clients = await Promise.all([open(0), open(1)]);
    apps = await Promise.all([startJazzApp(stack.syncUrl, "Alice"), startJazzApp(stack.syncUrl, "Bob")]);
    const group = clients[0].node.createGroup();
    group.addMember("everyone", "writer");
    const map = group.createMap({});
    await clients[0].synced();
    maps = [map, await clients[1].load(map.id)];
    project = (await apps[0].createProject("Edited by both")).id;
  }, 120_000);
  afterAll(async () => {
    await tell("invocation", { cpuMs: String(LIMITS.invocationCpuMs) });
    await Promise.all([...(clients ?? []), ...(apps ?? [])].map((client) => client.close()));
    await stack?.close();
  });

  async function tell(path: string, parameters: Record<string, string>): Promise<void> {
    const answer = await fetch(`${stack.pageUrl}${path}?${new URLSearchParams(parameters)}`);
    expect(answer.status).toBe(200);
  }

  /** Each side writes, and sees what the other wrote, again and again until `enough`. */
  async function editUntil(enough: () => boolean): Promise<void> {
    do {
      edits++;
      for (const [n, map] of maps.entries()) map.set(`${n} wrote ${edits}`, edits);
      const what = `edit ${edits} at the other side`;
      await Promise.all([
        until(() => maps[1].get(`0 wrote ${edits}`) === edits, { what, timeoutMs: 30_000 }),
        until(() => maps[0].get(`1 wrote ${edits}`) === edits, { what, timeoutMs: 30_000 }),
        ...apps.map((app, n) => app.addTask(project, `${n} wrote ${edits}`)),
      ]);
    } while (!enough());
  }

  /** Sessions that the edge has ended. */
  function recycled(reason: string): number {
    return stack.lines.filter((line) => line.includes("is to connect anew") && line.includes(reason)).length;
  }

  async function nothingIsLost(): Promise<void> {
    await Promise.all(clients.map((client) => client.synced()));
    const fresh = await startClient(stack.syncUrl);
    expect(Object.keys((await fresh.load(maps[0].id)).toJSON())).toHaveLength(2 * edits);
    await fresh.close();
    for (const app of apps) {
      await until(async () => (await app.readProject(project)).tasks.length === 2 + 2 * edits, {
        what: "all tasks",
      });
    }
    for (const { code } of ends.flat()) expect(code).toBe(CLOSE.restart);
    expect(complaints).not.toHaveBeenCalled();
  }

  test("because the edge is drained: they connect anew, once, and no edit is lost in either direction", async () => {
    await tell("drain", { note: `${Math.ceil(Date.now() / 1_000)} 1` });
    await editUntil(() => recycled("drained") >= 4);
    await editUntil(() => clients.every((client) => client.closures() === 1));
    await nothingIsLost();
    expect(recycled("drained")).toBe(4);
  }, 90_000);

  test("because their invocation is used up, again and again: no edit is lost in either direction", async () => {
    await tell("invocation", { cpuMs: "5" });
    await editUntil(() => clients.every((client) => client.closures() >= 4) && recycled("used") >= 12);
    await tell("invocation", { cpuMs: String(LIMITS.invocationCpuMs) });
    await nothingIsLost();
  }, 90_000);
});
