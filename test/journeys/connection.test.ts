import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LIMITS } from "../../shared/limits.ts";
import { type Client, startClient } from "../support/client.ts";
import { type PlainServer, startPlainServer } from "../support/plain-server.ts";
import { startTestStack, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";
import { openWire } from "../support/wire.ts";

/** What cojson-transport-ws's own tests expect of a server, of both. */
describe.each(["a plain cojson server", "the edge"] as const)("a connection to %s", (which) => {
  let server: TestStack | PlainServer;
  const clients: Client[] = [];
  const syncUrl = () => ("syncUrl" in server ? server.syncUrl : server.url);
  const client = async () => {
    const started = await startClient(syncUrl());
    clients.push(started);
    return started;
  };

  beforeAll(async () => {
    server = which === "the edge" ? await startTestStack() : await startPlainServer({ storage: "memory" });
  });
  afterAll(async () => {
    await Promise.all(clients.map((each) => each.close()));
    await server?.close();
  });

  test("hears a ping with the server's time from the start, and often enough never to hang up", async () => {
    const silent = await client();
    const wire = await openWire(syncUrl());
    const arrivals: number[] = [];
    const start = performance.now();
    await until(
      () => {
        const pings = wire.received.filter(({ type }) => type === "ping");
        if (pings.length > arrivals.length) arrivals.push(performance.now() - start);
        return performance.now() - start > LIMITS.clientPingTimeoutMs + 2_000;
      },
      { what: "time passing in silence", timeoutMs: 20_000 },
    );
    const [ping] = wire.received.filter(({ type }) => type === "ping");
    expect(ping).toMatchObject({ type: "ping", time: expect.any(Number), dc: expect.any(String) });
    expect(Math.abs(Number(ping?.time) - Date.now())).toBeLessThan(60_000);
    expect(arrivals.length).toBeGreaterThanOrEqual(3);
    expect([silent.closures(), wire.closed()]).toEqual([0, undefined]);
    await wire.close();
  });

  test("that is cut and made again brings what was written on both sides meanwhile", async () => {
    const [here, there] = [await client(), await client()];
    const group = here.node.createGroup();
    group.addMember("everyone", "writer");
    const map = group.createMap({});
    await here.synced();
    const copy = await there.load(map.id);
    here.disconnect();
    copy.set("there", 1);
    map.set("here", 1);
    await there.synced();
    expect(map.get("there")).toBeUndefined();
    here.connect();
    await until(() => map.get("there") === 1 && copy.get("here") === 1, { what: "both writes at both" });
  });
});
