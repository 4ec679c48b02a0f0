import type { Writable } from "node:stream";
import { auditStore } from "../../../sprite/storage/audit.ts";
import { openEngine } from "../../../sprite/storage/open-storage.ts";
import { SpriteStorage } from "../../../sprite/storage/sprite-storage.ts";
import { contentOf, coSessionOf, idOf, loadAll, transactionOf, transactionsIn } from "./content.ts";
import { randomOf } from "./random.ts";

/**
 * The process that crash.test.ts kills: checks the whole store, says what is in it, then writes until it dies.
 * Arguments: directory, seed, durability. Lines out: `state <JSON>`, then `ack <CoValue> <coSession> <count>`.
 */
const [directory = "", seed = "1", durability = "flush"] = process.argv.slice(2);

const COVALUES = 24;
const CO_SESSIONS = 5;
const IN_FLIGHT = 24;

const out = process.stdout as Writable;
const random = randomOf(Number(seed));
const engine = await openEngine(directory, {
  durability: durability as "flush" | "fsync",
  writeBufferBytes: 256 * 1024,
});
const storage = new SpriteStorage(engine);

const audit = await auditStore(engine.journal, engine.rowStore);
const counts: Record<string, number> = {};
const wrong: string[] = audit.problems.map(({ id, what }) => `${id}: ${what}`);
for (let number = 0; number < COVALUES; number++) await check(number);
out.write(`state ${JSON.stringify({ counts, wrong })}\n`);

/** Every stored transaction must be the one that was written, and the known state must say exactly what loads. */
async function check(number: number): Promise<void> {
  const id = idOf(number);
  const messages = await loadAll(storage, id);
  if (messages === undefined) return;
  const transactions = transactionsIn(messages, id);
  for (const [coSession, texts] of Object.entries(transactions)) {
    counts[`${number} ${coSession}`] = texts.length;
    texts.forEach((text, index) => {
      const expected = JSON.stringify(transactionOf(index, coSession, bytesOf(coSession)));
      if (text !== expected) wrong.push(`${id} ${coSession} ${index} is not what was written`);
    });
  }
  const known = storage.getKnownState(id).sessions;
  for (const [coSession, count] of Object.entries(known)) {
    if (count !== transactions[coSession]?.length) wrong.push(`${id} ${coSession} is known to be ${count}`);
  }
}

/** Some coSessions have long transactions, so that values are streamed and tables are written. */
function bytesOf(coSession: string): number {
  return coSession === coSessionOf(0) ? 3_000 : 60;
}

const next = new Map<string, number>(Object.entries(counts));

async function write(): Promise<never> {
  for (;;) {
    const number = Math.floor(random() * COVALUES);
    const coSession = Math.floor(random() * CO_SESSIONS);
    const key = `${number} ${coSessionOf(coSession)}`;
    const after = next.get(key) ?? 0;
    const count = 1 + Math.floor(random() * 4);
    next.set(key, after + count);
    const bytes = bytesOf(coSessionOf(coSession));
    const content = contentOf({ id: idOf(number), coSession, after, count, header: true, bytes });
    await new Promise<void>((done) => storage.store(content, () => undefined, done));
    out.write(`ack ${key} ${after + count}\n`);
  }
}

await Promise.all(Array.from({ length: IN_FLIGHT }, write));
