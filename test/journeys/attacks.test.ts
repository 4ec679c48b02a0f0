import type { RawCoMap } from "cojson";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PASS_HEADER, parsePassKeys, signPass } from "../../shared/pass.ts";
import { type Client, startClient } from "../support/client.ts";
import { IN_A_GROUP, signedContent } from "../support/hostile-changes.ts";
import { accountOf, HOSTILE_AGENTS, valueBy } from "../support/hostile-keys.ts";
import { contentOf, idOf, newNode } from "../support/real-values.ts";
import { startTestStack, storedIds, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";
import { openWire, type Wire } from "../support/wire.ts";

const FORGED_SIGNATURE = `signature_z${"2".repeat(87)}`;

describe("somebody who means harm", () => {
  let stack: TestStack;
  let owner: Client;
  let witness: Client;
  let map: RawCoMap;
  let group: ReturnType<Client["node"]["createGroup"]>;
  let wire: Wire;

  beforeAll(async () => {
    // Frames that are too large never reach the Worker.
    stack = await startTestStack({ expectedErrors: /Message is too large/ });
    [owner, witness] = await Promise.all([startClient(stack.syncUrl), startClient(stack.syncUrl)]);
    group = owner.node.createGroup();
    group.addMember("everyone", "reader");
    map = group.createMap({ n: 0 });
    await owner.synced();
    wire = await openWire(stack.syncUrl);
  });
  afterAll(async () => {
    await wire?.close();
    await Promise.all([owner?.close(), witness?.close()]);
    await stack?.close();
  });

  /** The owner's next write is accepted, stored and served to somebody who has nothing yet. */
  async function ownerIsWell() {
    const n = Number(map.get("n")) + 1;
    map.set("n", n);
    await owner.synced();
    const fresh = await startClient(stack.syncUrl);
    expect((await fresh.load(map.id)).get("n")).toBe(n);
    await fresh.close();
  }

  function forgedAppend(of: { core: Client["node"] extends never ? never : RawCoMap["core"]; id: string }) {
    const [coSession, count] = Object.entries(of.core.knownState().sessions)[0] ?? ["", 0];
    const changes = JSON.stringify([{ op: "set", key: "n", value: "forged" }]);
    return {
      action: "content",
      id: of.id,
      priority: 3,
      new: {
        [coSession]: {
          after: count,
          newTransactions: [{ privacy: "trusting", madeAt: Date.now(), changes }],
          lastSignature: FORGED_SIGNATURE,
        },
      },
    };
  }

  test("cannot block an author by a forged append to the author's log, of a value or of its group", async () => {
    for (const value of [map, group]) {
      wire.send({ action: "load", id: value.id, header: false, sessions: {} });
      await wire.next(({ action, id }) => action === "content" && id === value.id, "the value");
      wire.send(forgedAppend(value));
      await wire.next(({ type, id }) => type === "error" && id === value.id, "the refusal of the forgery");
      await ownerIsWell();
    }
    expect((await witness.load(map.id)).get("n")).not.toBe("forged");
  });

  test("cannot make a connection deaf by frames that are no messages", async () => {
    for (const frame of [
      "42",
      "null",
      '"text"',
      "[]",
      "{",
      "",
      "{}",
      '{"action":"explode"}',
      `{"action":"load","id":7}`,
    ]) {
      wire.sendRaw(frame);
    }
    await wire.drained();
    expect(wire.received.filter(({ code }) => code === "bad-message").length).toBeGreaterThanOrEqual(9);
    expect(wire.closed()).toBeUndefined();
    wire.received.length = 0;
    wire.send({ action: "load", id: map.id, header: false, sessions: {} });
    await wire.next(({ id }) => id === map.id, "an answer on the same socket");
    await ownerIsWell();
  });

  test("cannot take an id with a header that does not hash to it", async () => {
    const { node } = await newNode();
    const victim = JSON.parse(contentOf(node.createGroup())[0] ?? "");
    const stranger = node.createGroup();
    wire.send({ ...victim, id: stranger.id });
    const refusal = await wire.next(({ code }) => code === "header-mismatch", "the refusal");
    expect(refusal).toMatchObject({ type: "error", id: stranger.id });
    wire.send({ action: "load", id: stranger.id, header: false, sessions: {} });
    const answer = await wire.next(
      ({ action, id }) => action === "known" && id === stranger.id,
      "the answer",
    );
    expect(answer).toEqual({ action: "known", id: stranger.id, header: false, sessions: {} });
  });

  test("cannot end a Sprite with keys that are none, whose only aim is its crypto", async () => {
    const attacker = await openWire(stack.syncUrl);
    for (const [what, [agent, cause]] of Object.entries(HOSTILE_AGENTS)) {
      const value = valueBy(agent, group.id, what);
      attacker.send(value);
      const refusal = await attacker.next(
        ({ type, id }) => type === "error" && id === value.id,
        `a refusal: ${what}`,
      );
      expect(refusal).toMatchObject({ code: "bad-message" });
      expect(refusal.message).toContain(`${cause} in the session id is not a key`);
    }
    // A writer of this group who is an account, and that is none.
    const account = accountOf(HOSTILE_AGENTS["a signer that is no point"]?.[0] ?? "");
    attacker.send(account, valueBy(account.id, group.id, "by an account"));
    // The edge waits a while for what would prove it.
    await until(() => attacker.received.find(({ type, id }) => type === "error" && id === account.id), {
      what: "the account's refusal",
      timeoutMs: 60_000,
    });
    await ownerIsWell();
    expect(attacker.closed()).toBeUndefined();
    expect(stack.machineOf(group.id).state).toBe("started");
    expect(stack.lines.filter((line) => line.startsWith("machine") && line.includes("stopped"))).toEqual([]);
    await attacker.close();
  }, 90_000);

  test("cannot break a group for everybody by validly signed transactions that cojson trips on", async () => {
    const attacker = await openWire(stack.syncUrl);
    // A client like any other, who has no role in the group.
    const forger = await startClient(stack.syncUrl);
    const theirs = forger.node.createGroup().createMap({ mine: true });
    await forger.synced();
    const account = forger.node.expectCurrentAccount("the forger");
    for (const hostile of Object.values(IN_A_GROUP)) {
      const before = attacker.received.length;
      attacker.send(signedContent(account, group, hostile));
      const refusal = await until(
        () => attacker.received.slice(before).find(({ type, id }) => type === "error" && id === group.id),
        { what: "the refusal" },
      );
      expect(refusal).toMatchObject({ code: "bad-message" });
    }
    group.addMember("everyone", "reader");
    await ownerIsWell();
    expect((await forger.load(theirs.id)).get("mine")).toBe(true);
    await Promise.all([attacker.close(), forger.close()]);
  });

  test("loses the socket for a binary or an oversized frame, and nobody else does", async () => {
    for (const [frame, code] of [
      [Buffer.from("binary"), 4400],
      ["x".repeat(33 * 1024 * 1024), 1009],
    ] as const) {
      const attacker = await openWire(stack.syncUrl);
      attacker.sendRaw(frame);
      // Past 32 MiB workerd itself ends the socket, and the client may see no code at all.
      await until(() => attacker.closed(), { what: "the attacker's socket closing" });
      expect([code, 1006]).toContain(attacker.closed());
    }
    await ownerIsWell();
    expect([owner.closures(), witness.closures(), wire.closed()]).toEqual([0, 0, undefined]);
  });

  test("cannot put a value of another group into a Sprite, even with the edge's own pass", async () => {
    const { node, accountID } = await newNode();
    const theirs = node.createGroup();
    const foreign = theirs.createMap({ intruder: true });
    const machine = stack.machineOf(group.id);
    const pass = await signPass(
      { home: idOf(group) as never, session: "attacker" },
      parsePassKeys(stack.passKeys),
    );
    const door = stack.doorOf(group.id);
    const direct = await openWire(door.url, { ...door.headers, [PASS_HEADER]: pass });
    const dependencies = [theirs, { core: node.expectCoValueLoaded(accountID) }];
    for (const value of [foreign, ...dependencies]) for (const text of contentOf(value)) direct.sendRaw(text);
    await direct.next(({ code, id }) => code === "foreign-covalue" && id === foreign.id, "the refusal");
    await direct.close();
    await ownerIsWell();
    expect(await storedIds(machine.volumeDir ?? "")).not.toContain(foreign.id);
  });

  test("without a pass, or with one for another group, does not get into a Sprite", async () => {
    await ownerIsWell();
    const { url, headers } = stack.doorOf(group.id);
    await expect(openWire(url, headers)).rejects.toThrow("answered 401");
    const { node } = await newNode();
    const elsewhere = await signPass(
      { home: node.createGroup().id as never, session: "x" },
      parsePassKeys(stack.passKeys),
    );
    await expect(openWire(url, { ...headers, [PASS_HEADER]: elsewhere })).rejects.toThrow(
      /answered 4(01|21)/,
    );
    const forged = await signPass(
      { home: idOf(group) as never, session: "x" },
      parsePassKeys("k".repeat(40)),
    );
    await expect(openWire(url, { ...headers, [PASS_HEADER]: forged })).rejects.toThrow("answered 401");
  });
});
