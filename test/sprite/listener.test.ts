import { createServer } from "node:http";
import { connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { Listener } from "../../sprite/listener.ts";

async function listener(): Promise<{ door: Listener; port: number }> {
  const door = new Listener(0, "127.0.0.1");
  onTestFinished(() => door.close());
  return { door, port: await door.port };
}

/** Asks for an upgrade. @returns what is said until the other side hangs up. */
function upgrade(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let said = "";
    socket.on("data", (data) => {
      said += String(data);
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(said));
    socket.write("GET /sync HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
  });
}

test("What arrives before there is anybody to answer waits, and is answered", async () => {
  const { door, port } = await listener();
  const arrived = new Promise((resolve) => door.http.once("request", resolve));
  const upgraded = new Promise((resolve) => door.http.once("upgrade", resolve));
  const answer = fetch(`http://127.0.0.1:${port}/healthz`);
  const socket = upgrade(port);
  await Promise.all([arrived, upgraded]);
  door.serve({
    request: (_, response) => void response.end("here"),
    upgrade: (_, waiting) => void waiting.end("welcome"),
  });
  expect(await (await answer).text()).toBe("here");
  expect(await socket).toBe("welcome");
});

test("A socket that breaks while it waits harms nobody", async () => {
  const { door, port } = await listener();
  const upgraded = new Promise<void>((resolve) => door.http.once("upgrade", () => resolve()));
  const socket = connect(port, "127.0.0.1");
  socket.write("GET /sync HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
  await upgraded;
  socket.resetAndDestroy();
  const broken: boolean[] = [];
  door.serve({
    request: (_, response) => void response.end("here"),
    upgrade: (_, waiting) => {
      broken.push(waiting.destroyed);
      waiting.end();
    },
  });
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("here");
  expect(broken).toHaveLength(1);
});

test("A port that somebody else has is refused with what to do", async () => {
  const other = createServer();
  onTestFinished(() => void other.close());
  const port = await new Promise<number>((resolve, reject) => {
    other.listen(0, "127.0.0.1", () => {
      const address = other.address();
      if (typeof address === "object" && address) resolve(address.port);
      else reject(new Error("the other server has no port"));
    });
  });
  const door = new Listener(port, "127.0.0.1");
  await expect(door.port).rejects.toMatchObject({
    code: "config-invalid",
    message: `cannot listen on port ${port}; set PORT`,
  });
});
