import { fileURLToPath } from "node:url";
import type { RawCoMap } from "cojson";
import { type Client, startClient } from "../../support/client.ts";
import { type Guest, startGuest } from "../../support/guest.ts";
import { startTestStack, type TestStack } from "../../support/test-stack.ts";
import { until } from "../../support/until.ts";
import { openWire, type Wire } from "../../support/wire.ts";

/** What Cloudflare bills, in the order of the page, by the names under which counted-edge.ts logs it. */
export const EVENTS = [
  "worker request",
  "subrequest",
  "coordinator request",
  "coordinator message",
  "directory request",
  "directory message",
  "kv read",
  "kv write",
  "row read",
  "row written",
  "sprite start",
] as const;
export type Event = (typeof EVENTS)[number];
export type Counts = Readonly<Record<Event, number>>;

export interface Counted {
  /** Nobody writes, for several pings of every session. */
  readonly idle: Counts;
  /** By the number of clients that have the group open: one of them writes, all get it, the Sprite sleeps again. */
  readonly cycles: ReadonlyMap<number, Counts>;
  /** A page is opened in an isolate that has never heard of the group, whose Sprite is awake. */
  readonly arrival: Counts;
}

export const SIZES = [3, 8] as const;
const IDLE_PINGS = 3;
/** Limits for broken code: a slow computer takes long to start eight clients. */
const PATIENCE = { timeoutMs: 60_000 };

/** Runs the whole product between counters, and counts. */
export async function countCosts(): Promise<Counted> {
  const edgeEntry = fileURLToPath(new URL("./counted-edge.ts", import.meta.url));
  const stack = await startTestStack({ platform: "machines", sleepAfter: 1, edges: 2, edgeEntry });
  const clients: (Client | Guest | Wire)[] = [];
  try {
    const writer = await startClient(stack.syncUrl);
    clients.push(writer);
    const group = writer.node.createGroup();
    group.addMember("everyone", "reader");
    const board = group.createMap({ n: 0 });
    await writer.synced();
    // Hears pings and asks for nothing: our clock.
    const clock = await openWire(stack.syncUrl);
    clients.push(clock);
    const copies: RawCoMap[] = [];
    const cycles = new Map<number, Counts>();
    let idle: Counts | undefined;
    for (const size of SIZES) {
      while (copies.length < size - 1) {
        const guest = await startGuest(stack.syncUrl);
        clients.push(guest);
        copies.push(await guest.load(board.id));
      }
      await nothingCounted(stack, clock);
      idle ??= await countFrom(stack, () => pings(clock, IDLE_PINGS));
      const next = Number(board.get("n")) + 1;
      const cycle = await countFrom(stack, async () => {
        board.set("n", next);
        await until(() => copies.every((copy) => copy.get("n") === next), {
          what: "the update",
          ...PATIENCE,
        });
        await writer.synced();
        await nothingCounted(stack, clock);
      });
      cycles.set(size, cycle);
    }
    const arrival = await countArrival(stack, writer, board, clients);
    if (!idle) throw new Error("there are no sizes");
    return { idle, cycles, arrival };
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    await stack.close();
  }
}

async function countArrival(
  stack: TestStack,
  writer: Client,
  board: RawCoMap,
  clients: (Client | Guest | Wire)[],
): Promise<Counts> {
  board.set("n", Number(board.get("n")) + 1);
  await writer.synced();
  const sprite = stack.machineOf(board.group.id);
  return countFrom(stack, async () => {
    const guest = await startGuest(stack.syncUrlOf(1));
    clients.push(guest);
    await guest.load(board.id);
    if (stack.machineOf(board.group.id).pid !== sprite.pid) throw new Error("the Sprite slept meanwhile");
  });
}

/** Everything is asleep, and in a whole ping interval nothing happened that is billed. */
async function nothingCounted(stack: TestStack, clock: Wire): Promise<void> {
  await until(
    async () => {
      await stack.allAsleep(PATIENCE);
      const before = stack.lines.length;
      await pings(clock, 1);
      return stack.lines.length === before;
    },
    { what: "silence", ...PATIENCE },
  );
}

async function pings(clock: Wire, count: number): Promise<void> {
  const before = clock.received.length;
  await until(() => clock.received.length >= before + count, { what: `${count} pings`, ...PATIENCE });
}

async function countFrom(stack: TestStack, work: () => Promise<void>): Promise<Counts> {
  const begun = stack.lines.length;
  await work();
  const lines = stack.lines.slice(begun);
  const of = (event: Event) =>
    event === "sprite start"
      ? lines.filter((line) => /^machine \S+ started /.test(line)).length
      : lines.filter((line) => line === `edge counted ${event}`).length;
  return Object.fromEntries(EVENTS.map((event) => [event, of(event)])) as Record<Event, number>;
}
