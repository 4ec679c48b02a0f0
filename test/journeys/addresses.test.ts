import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { startJazzApp } from "../support/jazz-app.ts";
import { startSingle } from "../support/single-process.ts";
import { startTestStack, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";

const GROUP = "co_zfimDznFcSY4rbcKEP1Y5yEQ3MC";
/** Addresses that Jazz's clients have, relative to the host. */
const SYNC = [
  "/",
  "/?key=you@example.com",
  "/sync",
  "/sync?key=a",
  "/sync/",
  "/sync/?key=a",
  `/sync/${GROUP}`,
];
const ELSEWHERE = ["/other", "/index.html", "/script.js", "/syncs", "/sync/list", "/health", "/v1/sync"];

/** What an upgrade is answered: its status, and the text of a refusal. */
async function knock(url: string): Promise<{ status: number | undefined; text: string }> {
  const socket = new WebSocket(url);
  const refused = once(socket, "unexpected-response").then(async ([, answer]) => {
    const response = answer as IncomingMessage;
    return { status: response.statusCode, text: (await response.toArray()).join("") };
  });
  const opened = once(socket, "open").then(() => ({ status: 101, text: "" }));
  const answer = await Promise.race([refused, opened]);
  socket.terminate();
  return answer;
}

describe("the address", () => {
  let stack: TestStack;
  let demoDir: string;

  beforeAll(async () => {
    demoDir = await mkdtemp(join(tmpdir(), "sprite-sync-pages-"));
    await writeFile(join(demoDir, "index.html"), "<h1>a page</h1>");
    await writeFile(join(demoDir, "script.js"), "// a script");
    stack = await startTestStack({ demoDir });
  });
  afterAll(async () => {
    await stack?.close();
    await rm(demoDir, { recursive: true, force: true });
  });

  const servers = {
    edge: async () => ({ host: new URL(stack.syncUrl).host, lines: stack.lines as readonly string[] }),
    single: async () => {
      const { url, lines } = await startSingle();
      return { host: new URL(url).host, lines };
    },
  };

  describe.each(Object.entries(servers))("of the %s", (_, start) => {
    test("may be that of Jazz Cloud with only the host exchanged: unmodified apps sync", async () => {
      const { host } = await start();
      const peer = `ws://${host}/?key=you@example.com`;
      const [writer, reader] = await Promise.all([
        startJazzApp(peer, "writer"),
        startJazzApp(peer, "reader"),
      ]);
      const { id } = await writer.createProject("moved");
      expect(await reader.readProject(id)).toMatchObject({ name: "moved" });
      await Promise.all([writer.close(), reader.close()]);
    });

    test("accepts sockets at each of its forms, and says at any other path where they are, with a log line", async () => {
      const { host, lines } = await start();
      for (const path of SYNC)
        expect([path, (await knock(`ws://${host}${path}`)).status]).toEqual([path, 101]);
      for (const path of ELSEWHERE) {
        const { status, text } = await knock(`ws://${host}${path}?key=secret`);
        expect([path, status, text]).toEqual([path, 404, expect.stringContaining("connect to /sync")]);
        await until(() => lines.some((line) => line.includes(`"${path}"`) && line.includes("WebSocket")), {
          what: `a log line about ${path}`,
        });
      }
      expect(lines.join()).not.toContain("secret");
    });

    test("tells its health at /health", async () => {
      const { host } = await start();
      const health = () => fetch(`http://${host}/health`);
      const response = await until(
        async () => {
          const answer = await health();
          return answer.ok && answer;
        },
        { what: "a good health" },
      );
      expect(await response.json()).toMatchObject({ status: expect.any(String) });
    });
  });

  test("of a page is still the page's, and a plain request for /sync hears that it speaks WebSocket", async () => {
    const at = async (path: string) => {
      const response = await fetch(new URL(path, stack.pageUrl));
      return [response.status, await response.text()] as const;
    };
    expect(await at("/")).toEqual([200, "<h1>a page</h1>"]);
    expect(await at("/?key=a")).toEqual([200, "<h1>a page</h1>"]);
    expect(await at("/script.js")).toEqual([200, "// a script"]);
    expect((await at("/nothing"))[0]).toBe(404);
    for (const path of ["/sync", "/sync/", `/sync/${GROUP}`])
      expect(await at(path)).toEqual([400, expect.stringContaining("speaks WebSocket")]);
  });
});
