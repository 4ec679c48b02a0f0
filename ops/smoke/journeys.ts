import type { RawCoMap, RawGroup } from "cojson";
import { WebSocket } from "ws";
import { type Identity, openClient, type SmokeClient } from "./client.ts";

export interface SmokeOptions {
  readonly url: string;
  /** Characters of the large value. */
  readonly largeChars: number;
  /** Seconds after which a Sprite sleeps there; `undefined` leaves sleep out. */
  readonly sleepAfter: number | undefined;
  /** Account and group of an earlier run. */
  readonly kept: Kept | undefined;
}

export interface Kept extends Identity {
  readonly groupID: string;
}

/** What the journeys share, filled one after the other. */
export interface Trip {
  readonly options: SmokeOptions;
  readonly clients: SmokeClient[];
  /** Aborts when a journey has taken too long: what it still waits for must not go on. */
  readonly over: AbortSignal;
  writer?: SmokeClient;
  reader?: SmokeClient;
  group?: RawGroup;
  map?: RawCoMap;
  copy?: RawCoMap;
}

/** @returns what was seen, or `undefined` when it does not apply here; throws when it did not work. */
export type Journey = (trip: Trip) => Promise<string | undefined>;

/** In this order: each one builds upon those before it, and after a failure the rest is skipped. */
export const JOURNEYS: readonly (readonly [name: string, journey: Journey])[] = [
  ["the edge says it is well", health],
  ["a socket opens and is pinged", ping],
  ["a group is created and acknowledged", create],
  ["a second device sees edits, and is seen", edits],
  ["what was written offline meets after a reconnection", reconnection],
  ["a large value arrives whole", large],
  ["what was acknowledged is there for a device that has nothing", durability],
  ["after a sleep the next edit arrives", sleep],
  ["no socket was closed meanwhile", sockets],
];

async function health({ options, over }: Trip): Promise<string | undefined> {
  const { protocol, host } = new URL(options.url);
  const response = await fetch(`${protocol === "wss:" ? "https" : "http"}://${host}/health`, {
    signal: over,
  });
  const text = await response.text();
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`/health answered ${response.status}: ${text.slice(0, 300)}`);
  return text.slice(0, 80);
}

async function ping({ options }: Trip): Promise<string> {
  const begun = performance.now();
  const socket = new WebSocket(options.url);
  try {
    const frame = await new Promise<string>((resolve, reject) => {
      socket.once("message", (data) => resolve(String(data)));
      socket.once("error", reject);
      socket.once("close", (code) => reject(new Error(`the socket was closed with ${code}`)));
    });
    const { type, time = 0, dc } = JSON.parse(frame.split("\n")[0] ?? "") as Record<string, unknown>;
    if (type !== "ping") throw new Error("the first frame is no ping");
    const skew = Math.abs(Date.now() - Number(time));
    if (skew > 60_000) throw new Error(`its clock is ${Math.round(skew / 1_000)} s off`);
    return `first frame after ${Math.round(performance.now() - begun)} ms, from ${dc}`;
  } finally {
    socket.on("error", () => undefined);
    socket.terminate();
  }
}

async function create(trip: Trip): Promise<string> {
  const { kept } = trip.options;
  const writer = await client(trip, kept);
  trip.writer = writer;
  trip.group = kept ? await writer.load<RawGroup>(kept.groupID) : writer.node.createGroup();
  trip.map = trip.group.createMap({ made: Date.now() });
  const begun = performance.now();
  await writer.acknowledged();
  const ms = Math.round(performance.now() - begun);
  return `${kept ? "a new value in the group that was kept" : "account and group are new"}; acknowledged after ${ms} ms`;
}

async function edits(trip: Trip): Promise<string> {
  const { map, writer } = given(trip);
  const reader = await client(trip, writer.identity);
  trip.reader = reader;
  const copy = await reader.load(map.id);
  trip.copy = copy;
  const times: number[] = [];
  for (let n = 0; n < 10; n++) {
    const [from, to] = n % 2 ? [copy, map] : [map, copy];
    const begun = performance.now();
    from.set(`edit-${n}`, n);
    await until(trip, () => to.get(`edit-${n}`) === n);
    times.push(performance.now() - begun);
  }
  const middle = times.toSorted((a, b) => a - b)[5] ?? 0;
  return `10 edits, the middle one after ${Math.round(middle)} ms`;
}

async function reconnection(trip: Trip): Promise<string> {
  const { map, copy, writer, reader } = given(trip);
  writer.disconnect();
  reader.disconnect();
  map.set("offline-writer", true);
  copy.set("offline-reader", true);
  const begun = performance.now();
  writer.connect();
  reader.connect();
  await until(trip, () => map.get("offline-reader") === true && copy.get("offline-writer") === true);
  return `both sides have both after ${Math.round(performance.now() - begun)} ms`;
}

async function large(trip: Trip): Promise<string> {
  const { map, copy, writer } = given(trip);
  const text = randomText(trip.options.largeChars);
  const begun = performance.now();
  const since = () => `${Math.round(performance.now() - begun)} ms`;
  map.set("large", text);
  await writer.acknowledged();
  const acknowledged = since();
  await until(trip, () => copy.get("large") === text);
  return `${text.length} characters: acknowledged after ${acknowledged}, at the other device after ${since()}`;
}

/** As far as it can be seen from outside: nobody who has the data is connected while somebody new loads it. */
async function durability(trip: Trip): Promise<string> {
  const { map, copy, writer, reader } = given(trip);
  map.set("last", "acknowledged");
  await Promise.all([writer.acknowledged(), reader.acknowledged()]);
  const expected = stateOf(map);
  writer.disconnect();
  reader.disconnect();
  const fresh = await client(trip, writer.identity);
  const loaded = await fresh.load(map.id);
  if (stateOf(loaded) !== expected) throw new Error("it is not what had been acknowledged");
  await fresh.close();
  writer.connect();
  reader.connect();
  map.set("back", true);
  await until(trip, () => copy.get("back") === true);
  return `${loaded.keys().length} keys, the same`;
}

/** What a map holds, whatever the order in which it came. */
function stateOf(map: RawCoMap): string {
  return JSON.stringify(
    map
      .keys()
      .toSorted()
      .map((key) => [key, map.get(key)]),
  );
}

async function sleep(trip: Trip): Promise<string | undefined> {
  const { sleepAfter } = trip.options;
  if (sleepAfter === undefined) return undefined;
  const { map, copy } = given(trip);
  // It looks once a second, and needs some seconds to be gone.
  const silence = sleepAfter + 5;
  await new Promise((resolve) => setTimeout(resolve, silence * 1_000));
  const begun = performance.now();
  map.set("awake", silence);
  await until(trip, () => copy.get("awake") === silence);
  return `after ${silence} s of silence an edit took ${Math.round(performance.now() - begun)} ms`;
}

async function sockets({ clients }: Trip): Promise<string> {
  const lost = clients.reduce((sum, each) => sum + each.lost(), 0);
  if (lost > 0) throw new Error(`${lost} sockets were closed by the other side, or broke`);
  return `${clients.length} devices`;
}

async function client(trip: Trip, device?: Identity): Promise<SmokeClient> {
  const opened = await openClient(trip.options.url, device);
  trip.clients.push(opened);
  return opened;
}

/** What the journeys before have made; after a failure the others are skipped, so it is there. */
function given({ writer, reader = writer, map, copy = map }: Trip) {
  if (!writer || !reader || !map || !copy) throw new Error("the journeys before this one did not take place");
  return { writer, reader, map, copy };
}

async function until({ over }: Trip, condition: () => boolean): Promise<void> {
  while (!condition()) {
    over.throwIfAborted();
    await new Promise((next) => setTimeout(next, 5));
  }
}

/** What does not shrink, whoever compresses it. */
function randomText(chars: number): string {
  let text = "";
  while (text.length < chars) text += crypto.randomUUID().replaceAll("-", "");
  return text.slice(0, chars);
}
