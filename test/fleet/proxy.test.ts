import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RawData, WebSocket } from "ws";
import { until } from "../support/until.ts";
import { flyApi } from "./fly-api.ts";
import { type LocalFly, startLocalFly } from "./local-fly.ts";

describe("the local proxy", { timeout: 30_000 }, () => {
  let fly: LocalFly;
  let api: ReturnType<typeof flyApi>;
  beforeAll(async () => {
    fly = await startLocalFly();
    api = flyApi(fly.host);
  });
  afterAll(() => fly.end());

  const machine = (id: string) => fly.host.machines().find((candidate) => candidate.id === id);
  const state = (id: string, wanted: string) => until(() => machine(id)?.state === wanted, { what: wanted });
  const visit = (id: string | undefined, path = "/", init: RequestInit = {}) =>
    fetch(fly.host.appUrl + path, {
      ...init,
      headers: { ...(id ? { "fly-force-instance-id": id } : {}), ...init.headers },
    });
  const stop = async (id: string) => {
    await api.post(`/machines/${id}/stop`, { signal: "SIGTERM", timeout: "5s" });
    await state(id, "stopped");
  };
  /** An open socket to a Machine, and the messages it has got. */
  const dial = async (id: string, headers: Record<string, string> = {}) => {
    const socket = new WebSocket(`${fly.host.appUrl.replace("http", "ws")}/sync`, {
      headers: { "fly-force-instance-id": id, ...headers },
    });
    const messages: { data: RawData; isBinary: boolean }[] = [];
    socket.on("message", (data, isBinary) => messages.push({ data, isBinary }));
    await once(socket, "open");
    const next = async () =>
      (await until(() => messages.length > 0, { what: "a message" })) && messages.shift();
    return { socket, next };
  };

  describe("passes through", () => {
    it("HTTP requests with their method, path, headers and body; the routing header stays here", async () => {
      const { id } = await api.createMachine();
      const body = randomBytes(300_000).toString("hex");
      const reply = await visit(id, "/some/path?q=1", { method: "PUT", body, headers: { "x-own": "yes" } });
      const seen = await reply.json();
      expect(seen).toMatchObject({ method: "PUT", url: "/some/path?q=1", body, env: { FLY_MACHINE_ID: id } });
      expect(seen.headers).toMatchObject({ "x-own": "yes", "fly-region": "fra" });
      expect(seen.headers).not.toHaveProperty("fly-force-instance-id");
    });

    it("WebSockets to the Machine that is named, text as text, binary as binary, large ones whole", async () => {
      const [one, two] = [await api.createMachine(), await api.createMachine()];
      for (const { id } of [one, two]) {
        const { socket, next } = await dial(id, { "x-sprite-pass": "signed" });
        const hello = JSON.parse(String((await next())?.data));
        expect(hello).toMatchObject({ machine: id, headers: { "x-sprite-pass": "signed" } });
        socket.send("text");
        expect(await next()).toEqual({ data: Buffer.from("text"), isBinary: false });
        const large = randomBytes(5_000_000);
        socket.send(large);
        expect(large.equals((await next())?.data as Buffer)).toBe(true);
        socket.close(4321, "done");
        expect((await once(socket, "close"))[0]).toBe(4321);
      }
    });
  });

  it("hands on a refused upgrade, and ends the connection that would lead to the wrong Machine from then on", async () => {
    const { id } = await api.createMachine();
    await visit(id);
    const { hostname, port } = new URL(fly.host.appUrl);
    const client = connect(Number(port), hostname);
    client.write(
      `GET /refused HTTP/1.1\r\nhost: x\r\nfly-force-instance-id: ${id}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n`,
    );
    const answer = await text(client);
    expect(answer).toMatch(/^HTTP\/1\.1 401 Unauthorized\r\nconnection: close\r\n/);
    expect(answer).toMatch(/\r\n\r\nno pass$/);
  });

  describe("wakes", () => {
    it("a sleeping Machine for a request, and holds the request until its port answers", async () => {
      const { id } = await api.createMachine();
      await state(id, "started");
      await stop(id);
      expect((await visit(id)).status).toBe(200);
      const started = fly.changes.filter((change) => change.id === id && change.state === "started");
      expect(started.map(({ source }) => source)).toEqual(["user", "proxy"]);
    });

    it("a sleeping Machine for a WebSocket, once, however many come at the same moment", async () => {
      const { id } = await api.createMachine();
      await state(id, "started");
      await stop(id);
      const sockets = await Promise.all(Array.from({ length: 20 }, () => dial(id)));
      expect(fly.changes.filter((change) => change.id === id && change.state === "starting")).toHaveLength(2);
      for (const { socket } of sockets) socket.terminate();
    });

    it("a suspended Machine, with its memory", async () => {
      const { id } = await api.createMachine();
      await visit(id);
      const pid = machine(id)?.pid;
      await api.post(`/machines/${id}/suspend`);
      expect((await visit(id)).status).toBe(200);
      expect(machine(id)?.pid).toBe(pid);
    });

    it("nothing whose service has no autostart", async () => {
      const { id } = await api.createMachine({ services: [{ internal_port: 8080, autostart: false }] });
      await visit(id);
      await stop(id);
      expect((await visit(id)).status).toBe(503);
      expect(machine(id)?.state).toBe("stopped");
    });
  });

  describe("refuses with a 5xx", () => {
    it("a request that names no Machine, or one that does not exist or exists no more", async () => {
      const { id } = await api.createMachine();
      await api.delete(`/machines/${id}?force=true`);
      await until(() => !machine(id));
      for (const name of [undefined, "none", id]) expect((await visit(name)).status).toBe(502);
      await expect(dial("none")).rejects.toThrow("502");
    });

    it("a Machine that is just stopping, at once", async () => {
      const { id } = await api.createMachine({ env: { IGNORE_SIGTERM: "1" } });
      await visit(id);
      await api.post(`/machines/${id}/stop`, { signal: "SIGTERM", timeout: "1s" });
      expect((await visit(id)).status).toBe(503);
      await expect(dial(id)).rejects.toThrow("503");
      expect(machine(id)?.state).toBe("stopping");
    });

    it("a Machine that fails to start", async () => {
      const { id } = await api.createMachine();
      await state(id, "started");
      await stop(id);
      fly.host.faults.boot({ kind: "fail" }, { times: 1 });
      expect((await visit(id)).status).toBe(503);
      expect((await visit(id)).status).toBe(503);
      expect(machine(id)?.state).toBe("failed");
    });
  });

  describe("cuts every connection of a Machine", () => {
    it.each([
      ["stops", (id: string) => api.post(`/machines/${id}/stop`)],
      ["is suspended", (id: string) => api.post(`/machines/${id}/suspend`)],
      ["is killed", async (id: string) => fly.host.kill(id, "SIGKILL")],
      ["is destroyed", (id: string) => api.delete(`/machines/${id}?force=true`)],
    ])("that %s, sockets without a close frame and requests in the middle", async (_, end) => {
      const [{ id }, other] = [await api.createMachine(), await api.createMachine()];
      const { socket } = await dial(id);
      const neighbour = await dial(other.id);
      const response = await visit(id, "/never");
      const body = response.text();
      body.catch(() => undefined);
      const closed = once(socket, "close");
      await end(id);
      expect((await closed)[0]).toBe(1006);
      await expect(body).rejects.toThrow();
      expect(neighbour.socket.readyState).toBe(WebSocket.OPEN);
      neighbour.socket.terminate();
    });
  });

  describe("closes the Machine's side when the visitor goes away", () => {
    const count = async (id: string) => (await (await visit(id, "/sockets")).json()).sockets;

    it("from an open socket", async () => {
      const { id } = await api.createMachine();
      const { socket } = await dial(id);
      expect(await count(id)).toBe(1);
      socket.terminate();
      await until(async () => (await count(id)) === 0);
    });

    it("in the middle of the handshake", async () => {
      const { id } = await api.createMachine();
      await visit(id);
      const socket = new WebSocket(`${fly.host.appUrl.replace("http", "ws")}/silent`, {
        headers: { "fly-force-instance-id": id },
      });
      socket.on("error", () => undefined);
      await until(async () => (await count(id)) === 1);
      socket.terminate();
      await until(async () => (await count(id)) === 0);
    });
  });
});
