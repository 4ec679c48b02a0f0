import { join } from "node:path";
import type { RawCoID } from "cojson";
import { expect, test } from "vitest";
import { openStorage } from "../../sprite/storage/index.ts";
import { accountOf, HOSTILE_AGENTS, type HostileContent, valueBy } from "../support/hostile-keys.ts";
import { until } from "../support/until.ts";
import { run, SINGLE, startProcess } from "./own-process.ts";
import { type Content, storeDone } from "./storage/content.ts";
import {
  asGroupId,
  connect,
  contentOf,
  type Listener,
  listen,
  loadFresh,
  newAccount,
  newGroup,
  temporaryDirectory,
} from "./support.ts";

function written() {
  const alice = newAccount();
  const group = newGroup(alice);
  group.addMember("everyone", "writer");
  const map = group.createMap();
  map.set("n", 0, "trusting");
  return { alice, node: alice.core.node, group, map };
}
type World = ReturnType<typeof written>;

/** `npm run single` as a process. */
async function startSingle(data: string, home: string) {
  const running = run(SINGLE, ["--port", "0", "--data", join(data, "store")], {});
  const ready = await until(() => running.lines.find((line) => line.startsWith("ready ")), { what: "ready" });
  return { ...running, url: ready.slice("ready ".length), home: asGroupId(home) };
}

const SERVERS = {
  "a Sprite": (data: string, home: string) => startProcess(home, data),
  "one process for all groups": startSingle,
};

async function refusalOf(attacker: Listener, { id }: { readonly id: string }): Promise<string> {
  const found = () => attacker.of("error").find((error) => error.id === id);
  const { code, message } = (await until(found, { what: "the refusal" })) ?? {};
  expect(code).toBe("bad-message");
  return String(message);
}

/** Sends everything that would end the process, and has each refused by name. */
async function attack(attacker: Listener, { group }: World): Promise<void> {
  for (const [what, [agent, cause]] of Object.entries(HOSTILE_AGENTS)) {
    const value = valueBy(agent, group.id, what);
    attacker.send(value);
    expect(await refusalOf(attacker, value)).toContain(`${cause} in the session id is not a key`);
    const deletion = { ...valueBy(agent, group.id, `${what}, deleted`) };
    const [[coSession = "", batch] = []] = Object.entries(deletion.new);
    attacker.send({ ...deletion, new: { [`${coSession.replace("_session_z", "_session_d")}$`]: batch } });
    expect(await refusalOf(attacker, deletion)).toContain(`${cause} in the session id is not a key`);
    const account = accountOf(agent);
    attacker.send(account);
    expect(await refusalOf(attacker, account)).toContain(`${cause} in \`initialAdmin\``);
  }
}

for (const [server, start] of Object.entries(SERVERS)) {
  test(`${server} refuses keys that are none by name, lives, and goes on storing the group's values`, async () => {
    const world = written();
    const { node, group, map } = world;
    const data = temporaryDirectory();
    const running = await start(data, group.id);
    const { peerId } = await connect(node, running);
    const attacker = await listen(running);
    await attack(attacker, world);
    map.set("n", 1, "trusting");
    await node.syncManager.waitForSyncWithPeer(peerId, map.id, 30_000);
    expect((await loadFresh(running, map.id)).get("n")).toBe(1);
    expect(running.process.exitCode ?? running.process.signalCode).toBeNull();
    expect(attacker.socket.readyState).toBe(attacker.socket.OPEN);
  });

  test(`${server} serves a store that has keys that are none in it, and leaves what they wrote out`, async () => {
    const world = written();
    const { alice, group, map } = world;
    const data = temporaryDirectory();
    const hostile = await storeHostile(data, world);
    const running = await start(data, group.id);
    const reader = await listen(running);
    for (const { id } of hostile) reader.send({ action: "load", id, header: false, sessions: {} });
    const answered = () =>
      hostile.every(({ id }) => reader.heard.some((text) => text.includes(`"id":"${id}"`)));
    await until(answered, { what: "an answer for each hostile value" });
    for (const content of reader.of("content")) {
      if (hostile.some(({ id }) => id === content.id)) expect(content.new).toEqual({});
    }
    expect((await loadFresh(running, map.id)).get("n")).toBe(0);
    expect(running.process.exitCode ?? running.process.signalCode).toBeNull();
    expect(reader.of("content").map(({ id }) => id)).toContain(alice.id);
  });
}

/** What an import or a backup may bring: content that nobody has verified. */
async function storeHostile(data: string, { alice, node, group, map }: World): Promise<HostileContent[]> {
  const storage = await openStorage(join(data, "store"));
  for (const { id } of [alice, group, map]) {
    for (const content of contentOf(node, id as RawCoID)) await storeDone(storage, content);
  }
  const hostile: HostileContent[] = [];
  for (const [what, [agent]] of Object.entries(HOSTILE_AGENTS)) {
    const account = accountOf(agent);
    await storeDone(storage, account as unknown as Content);
    hostile.push(valueBy(agent, group.id, what), valueBy(account.id, group.id, `${what}, by an account`));
  }
  for (const content of hostile) await storeDone(storage, content as unknown as Content);
  await storage.close();
  return hostile;
}
