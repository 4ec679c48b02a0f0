import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { type CoValueCore, LocalNode } from "cojson";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { idOfHeader } from "../../shared/header.ts";
import { idFromHash } from "../../shared/ids.ts";
import { crypto } from "../support/crypto.ts";
import { ODD_HEADERS, odd } from "../support/odd-headers.ts";
import { type PlainServer, startPlainServer } from "../support/plain-server.ts";
import { contentOf } from "../support/real-values.ts";
import { startSingle } from "../support/single-process.ts";
import { startTestStack, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";
import { openWire, type Wire } from "../support/wire.ts";

const COUNTING_EDGE = fileURLToPath(new URL("../support/counting-edge.ts", import.meta.url));

const load = (id: string) => ({ action: "load", id, header: false, sessions: {} });
const notThere = (id: string) => ({ action: "known", id, header: false, sessions: {} });

/** Ids that begin as cojson's do: a cojson server answers them, whatever follows. */
const IMPOSSIBLE = ["co_z", "co_zshort", "co_z0OIl", `co_z${"2".repeat(20)}`, `co_z${"z".repeat(26)}`];
/** What a cojson server ignores. */
const NO_IDS = ["", "list", "constructor", "\ud800", "x".repeat(1_000)];

describe("whatever a client asks for", () => {
  let stack: TestStack;
  let plain: PlainServer;

  beforeAll(async () => {
    [stack, plain] = await Promise.all([
      startTestStack({ edgeEntry: COUNTING_EDGE }),
      startPlainServer({ storage: "memory" }),
    ]);
  });
  afterAll(() => Promise.all([stack?.close(), plain?.close()]));

  const calls = () => stack.lines.filter((line) => line.includes("directory "));

  /** A wire to each kind of server. */
  async function wires(): Promise<Record<"plain" | "edge" | "single", Wire>> {
    const single = await openWire((await startSingle()).url);
    return { plain: await openWire(plain.url), edge: await openWire(stack.syncUrl), single };
  }

  const answersFor = (wire: Wire, id: string) =>
    wire.received.filter((message) => message.id === id && message.action !== "reconcile-ack");

  test("an id that no header hashes to is answered as a plain cojson server does, and the directory is not asked", async () => {
    const { plain: reference, edge, single } = await wires();
    const before = calls().length;
    for (const wire of [reference, edge, single]) {
      wire.send(...[...IMPOSSIBLE, ...NO_IDS].map(load));
      await wire.drained();
    }
    for (const id of IMPOSSIBLE) {
      const expected = answersFor(reference, id);
      expect(expected).toEqual([notThere(id)]);
      expect([answersFor(edge, id), answersFor(single, id)]).toEqual([expected, expected]);
    }
    for (const id of NO_IDS)
      expect([answersFor(edge, id), answersFor(single, id)]).toEqual([[notThere(id)], [notThere(id)]]);
    expect(calls().length).toBe(before);
    await Promise.all([reference.close(), edge.close(), single.close()]);
  });

  test("a reconciliation of ids that no header hashes to is acknowledged", async () => {
    const { edge, single } = await wires();
    for (const wire of [edge, single]) {
      wire.send({ action: "reconcile", id: "batch", values: IMPOSSIBLE.map((id) => [id, "hash"]) });
      await wire.next(
        ({ action, id }) => action === "reconcile-ack" && id === "batch",
        "the acknowledgement",
      );
    }
    await Promise.all([edge.close(), single.close()]);
  });

  test("content whose header cojson drops without a word is refused by name, and gets no place and no Sprite", async () => {
    const { plain: reference, edge, single } = await wires();
    const [before, sprites] = [calls().length, stack.fleet.machines().length];
    for (const [kind, header] of Object.entries(ODD_HEADERS)) {
      const id = idOfHeader(header);
      for (const wire of [reference, edge, single]) {
        wire.send({ action: "content", id, header, priority: 3, new: {} });
        await wire.drained();
      }
      expect([kind, answersFor(reference, id).filter(({ action }) => action === "known")]).toEqual([
        kind,
        [],
      ]);
      for (const wire of [edge, single])
        expect([kind, answersFor(wire, id)]).toMatchObject([
          kind,
          [{ type: "error", code: "bad-message", id }],
        ]);
    }
    expect([calls().length, stack.fleet.machines().length]).toEqual([before, sprites]);
    await Promise.all([reference.close(), edge.close(), single.close()]);
  });

  test("content whose header is odd and right is stored and acknowledged", async () => {
    const { plain: reference, edge, single } = await wires();
    const secret = crypto.newRandomAgentSecret();
    const session = crypto.newRandomSessionID(crypto.getAgentID(secret));
    const agent = new LocalNode(secret, session, crypto);
    const headers = [
      odd({ uniqueness: { a: "b" } }),
      odd({
        uniqueness: null,
        createdAt: null,
        meta: { a: { b: ["c", 1.5, true] }, "\u{1f600}": "encrypted_Uabc" },
      }),
    ];
    for (const header of headers) {
      const id = idOfHeader(header);
      // Signed, as whatever founds a home: the edge takes nothing else.
      const content = contentOf({ core: signedBy(agent, header) });
      for (const wire of [reference, edge, single]) {
        for (const text of content) wire.sendRaw(text);
        await wire.next((message) => message.action === "known" && message.id === id, `the answer for ${id}`);
        expect(answersFor(wire, id)).toMatchObject([{ action: "known", header: true }]);
      }
    }
    await Promise.all([reference.close(), edge.close(), single.close()]);
  });

  /** A value with any header, which an agent has written into. */
  function signedBy(agent: LocalNode, header: object): CoValueCore {
    const core = agent.createCoValue(header as Parameters<LocalNode["createCoValue"]>[0]);
    core.makeTransaction([{ op: "set", key: "a", value: 1 }], "trusting");
    return core;
  }

  test("5,000 ids that nobody has created, each in a frame of its own, cost few calls of the directory", async () => {
    const ids = Array.from({ length: 5_000 }, () => idFromHash(randomBytes(19)));
    const wire = await openWire(stack.syncUrl);
    const before = calls().length;
    const start = performance.now();
    for (const id of ids) wire.send(load(id));
    const known = () => wire.received.filter(({ action }) => action === "known");
    await until(() => known().length >= ids.length, { what: "all answers", timeoutMs: 60_000 });
    const took = performance.now() - start;
    expect(new Set(known().map(({ id }) => id))).toEqual(new Set(ids));
    await wire.close();
    const of = (kind: string) =>
      calls()
        .slice(before)
        .filter((line) => line.includes(kind));
    console.log(
      `5,000 unknown ids: ${took.toFixed(0)} ms, ${of("lookup").length} look-ups, ${of("want").length} wants`,
    );
    expect(of("directory want").length).toBeLessThan(1_000);
    expect(of("directory").length).toBeLessThan(3_000);
  });
});
