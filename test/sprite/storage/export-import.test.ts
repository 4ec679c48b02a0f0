import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { cojsonInternals, LocalNode, type RawBinaryCoStream, type RawCoMap } from "cojson";
import { expect, test } from "vitest";
import { auditStore } from "../../../sprite/storage/audit.ts";
import { exportStore } from "../../../sprite/storage/export.ts";
import { importInto } from "../../../sprite/storage/import.ts";
import { openExportFile, openStoreSource } from "../../../sprite/storage/import-source.ts";
import { openEngine } from "../../../sprite/storage/open-storage.ts";
import { crypto } from "../../support/crypto.ts";
import { until } from "../../support/until.ts";
import type { Content } from "./content.ts";
import { newDirectory, openForTest } from "./open-for-test.ts";
import { BINARY_BYTES, contentsOf, fillSample, makeSampleStore } from "./sample-store.ts";

interface Line {
  id: string;
  header?: Content["header"];
  new: Content["new"];
}

function linesOf(file: string): unknown[] {
  const lines = gunzipSync(readFileSync(file)).toString().trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line));
}

function contentLines(file: string): Content[] {
  return linesOf(file).slice(1, -1) as Content[];
}

function writeExport(lines: readonly unknown[]): string {
  const file = join(newDirectory(), "made.gz");
  writeFileSync(file, gzipSync(lines.map((line) => `${JSON.stringify(line)}\n`).join("")));
  return file;
}

async function importFile(directory: string, file: string) {
  const refusals: string[] = [];
  const source = await openExportFile(file);
  const report = await importInto(directory, source, { onRefused: (reason) => refusals.push(reason) });
  await source.close();
  return { report, refusals };
}

/** A store with a sample, and its export. */
async function exportedSample() {
  const directory = newDirectory();
  const sample = await makeSampleStore(directory);
  const file = join(newDirectory(), "export.gz");
  const end = await exportStore(directory, file);
  return { directory, sample, file, end };
}

test("an export imported into an empty directory is the same store for every CoValue, and for a LocalNode", async () => {
  const { directory, sample, file, end } = await exportedSample();
  const target = join(newDirectory(), "new");
  const { report, refusals } = await importFile(target, file);
  const original = await contentsOf(directory);
  expect(refusals).toEqual([]);
  expect(report.newCoValues).toBe(Object.keys(original).length);
  expect(report.newCoValues).toBe(end.covalues);
  expect(report.newTransactions).toBe(end.transactions);
  expect(await contentsOf(target)).toEqual(original);

  const storage = await openForTest(target);
  const { node: other } = await LocalNode.withNewlyCreatedAccount({
    creationProps: { name: "reader" },
    crypto,
    storage,
  });
  const loaded = await other.loadCoValueCore(sample.map.id);
  const deleted = await other.loadCoValueCore(sample.deleted);
  expect(loaded.verified?.header).toEqual(sample.map.core.verified?.header);
  expect(loaded.knownState()).toEqual(sample.map.core.knownState());
  expect(deleted.isDeleted).toBe(true);

  const { agentSecret, currentSessionID } = sample.node;
  const author = new LocalNode(agentSecret, currentSessionID, crypto);
  author.setStorage(storage);
  const map = await author.load<RawCoMap>(sample.map.id);
  const binary = await author.load<RawBinaryCoStream>(sample.binary as RawBinaryCoStream["id"]);
  if (map === "unavailable" || binary === "unavailable") throw new Error("not in the imported store");
  expect(map.get("key7")).toBe("line\u20287\n");
  const bytes = await until(
    () => binary.getBinaryChunks()?.chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    { what: "the end of the binary stream" },
  );
  expect(bytes).toBe(BINARY_BYTES);
  await other.gracefulShutdown();
  await author.gracefulShutdown();
});

test("an export begins with its version and counts, ends with what it holds, and puts dependencies first", async () => {
  const { file, sample, end } = await exportedSample();
  const [head, ...rest] = linesOf(file);
  expect(head).toEqual({ format: "sprite-sync-export", version: 1, covalues: end.covalues });
  expect(rest.at(-1)).toEqual(end);
  const done = new Set<string>();
  for (const message of contentLines(file)) {
    const { header } = message;
    if (header === undefined) throw new Error("no header");
    const wanted = cojsonInternals.getDependedOnCoValues(header, message);
    for (const id of wanted) expect(done).toContain(id);
    done.add(message.id);
  }
  expect(contentLines(file).filter(({ id }) => id === sample.binary).length).toBeGreaterThan(5);
});

test("the same import twice changes nothing, and a newer export adds only what is new", async () => {
  const { directory, file } = await exportedSample();
  const target = newDirectory();
  await importFile(target, file);
  const before = await stateOf(target);
  const { report } = await importFile(target, file);
  expect(report).toMatchObject({ newCoValues: 0, newTransactions: 0, refused: 0 });
  expect(await stateOf(target)).toEqual(before);

  const storage = await openForTest(directory);
  const { node } = await LocalNode.withNewlyCreatedAccount({
    creationProps: { name: "later" },
    crypto,
    storage,
  });
  await node.gracefulShutdown();
  await storage.close();
  const newer = join(newDirectory(), "newer.gz");
  const end = await exportStore(directory, newer);
  const added = await importFile(target, newer);
  expect(added.report.newCoValues).toBe(end.covalues - before.covalues);
  expect(added.report.newCoValues).toBeGreaterThan(0);
  expect(await contentsOf(target)).toEqual(await contentsOf(directory));
});

async function stateOf(directory: string) {
  const engine = await openEngine(directory, { readOnly: true });
  const { covalues, messages, bytes, problems } = await auditStore(engine.journal, engine.rowStore);
  const state = { covalues, messages, bytes, problems, blocks: engine.journal.length };
  await engine.close();
  expect(problems).toEqual([]);
  return state;
}

test("an export made while a writer writes is a state that the store was in, CoValue by CoValue", async () => {
  const directory = newDirectory();
  const storage = await openForTest(directory);
  const { map, node } = await fillSample(storage);
  const early = node.createGroup().createMap();
  early.set("early", "value");
  await node.syncManager.waitForAllCoValuesSync();
  const file = join(newDirectory(), "live.gz");
  let exporting = true;
  let writes = 0;
  const writing = (async () => {
    while (exporting) {
      map.set("count", writes++);
      node.createGroup().createMap().set("count", writes);
      await node.syncManager.waitForAllCoValuesSync();
    }
  })();
  const end = await exportStore(directory, file);
  exporting = false;
  await writing;
  await node.gracefulShutdown();
  await storage.close();
  expect(writes).toBeGreaterThan(1);
  expect(end.damaged).toEqual([]);

  const target = newDirectory();
  const { refusals } = await importFile(target, file);
  expect(refusals).toEqual([]);
  await stateOf(target);
  const final = await contentsOf(directory);
  const exported = await contentsOf(target);
  expect(exported[early.id]).toEqual(final[early.id]);
  type Exported = { header: unknown; transactions: Record<string, string[]> };
  for (const [id, content] of Object.entries(exported) as [string, Exported][]) {
    const whole = final[id] as Exported;
    expect(content.header).toEqual(whole.header);
    for (const [coSession, transactions] of Object.entries(content.transactions)) {
      expect(transactions).toEqual(whole.transactions[coSession]?.slice(0, transactions.length));
    }
  }
});

test("lines that are damaged or do not belong are refused with a reason each, and all others are imported", async () => {
  const { file, sample, directory } = await exportedSample();
  const [head, ...rest] = linesOf(file) as Line[];
  const content = contentLines(file);
  const map = content.find(({ id }) => id === sample.map.id);
  const group = content.find(({ header }) => header?.ruleset.type === "group");
  const pieces = content.filter(({ id }) => id === sample.binary);
  if (map?.header === undefined || group?.header === undefined) throw new Error("the sample is incomplete");
  const { header: _, ...headless } = map;
  const [coSession] = Object.keys(map.new);
  const bad: [unknown, RegExp][] = [
    ["text", /no content message/],
    [{ ...map, id: "../../etc" }, /^line 3 is no content message \(id\)$/],
    [{ ...map, header: group.header }, /header that does not hash to its id/],
    [{ ...map, header: { ...map.header, uniqueness: "other" } }, /header that does not hash to its id/],
    [{ ...map, header: { type: "comap" } }, /no valid header/],
    [{ ...map, new: { [String(coSession)]: { after: 0 } } }, /no content message \(new/],
    [{ ...map, new: { "../x": Object.values(map.new)[0] } }, /no content message \(new/],
    [headless, /has no header, and the store does not have it/],
    [pieces.at(-1), /goes on after transactions that are missing/],
  ];
  const last = rest.pop() as Line & { messages: number };
  const made = writeExport([
    head,
    ...bad.map(([line]) => line),
    ...rest,
    { ...last, messages: last.messages + bad.length },
  ]);
  const target = newDirectory();
  const { report, refusals } = await importFile(target, made);
  expect(refusals).toHaveLength(bad.length);
  expect(report.refused).toBe(bad.length);
  bad.forEach(([, reason], index) => {
    const refusal = refusals.find((text) => text.startsWith(`line ${index + 2} `));
    expect(refusal, `line ${index + 2}`).toMatch(reason);
  });
  expect(await contentsOf(target)).toEqual(await contentsOf(directory));
});

test("a file that was cut off, damaged or has lines missing says so, and what is whole of it is imported", async () => {
  const { file } = await exportedSample();
  const bytes = readFileSync(file);
  const cut = join(newDirectory(), "cut.gz");
  writeFileSync(cut, bytes.subarray(0, bytes.length / 2));
  const first = await importFile(newDirectory(), cut);
  expect(first.refusals.at(-1)).toMatch(/cannot be read after line \d+: unexpected end of file/);
  expect(first.report.newCoValues).toBeGreaterThan(0);

  const lines = linesOf(file);
  const endless = await importFile(newDirectory(), writeExport(lines.slice(0, -1)));
  expect(endless.refusals).toEqual([expect.stringMatching(/cut off after line \d+/)]);
  const gapped = await importFile(newDirectory(), writeExport([...lines.slice(0, 2), ...lines.slice(3)]));
  expect(gapped.refusals.at(-1)).toMatch(/has \d+ lines of content and says that they are \d+/);
});

test("what is no export, or a newer one, is refused before a store is made of it", async () => {
  const text = join(newDirectory(), "notes.txt");
  writeFileSync(text, "not gzip");
  await expect(openExportFile(text)).rejects.toThrow();
  await expect(openExportFile(writeExport([{ hello: 1 }]))).rejects.toThrow(
    /does not begin as an export does/,
  );
  const newer = writeExport([{ format: "sprite-sync-export", version: 2, covalues: 0 }]);
  await expect(openExportFile(newer)).rejects.toThrow(/version 2; .* up to 1. Use a newer version/);
});

test("an export never replaces a file, and one that fails leaves none", async () => {
  const { directory, file } = await exportedSample();
  await expect(exportStore(directory, file)).rejects.toThrow(/exists already/);
  const folder = newDirectory();
  await expect(exportStore(newDirectory(), join(folder, "x.gz"))).rejects.toThrow(
    /There is no store|cannot be opened/,
  );
  expect(readdirSync(folder)).toEqual([]);
});

test("an export of a damaged store has what is sound, and names what is not", async () => {
  const { directory, sample } = await exportedSample();
  const engine = await openEngine(directory);
  const row = await engine.rowStore.get(sample.binary);
  if (row === undefined) throw new Error("the sample is incomplete");
  const lost = (await engine.rowStore.pointers(row)).at(-1);
  if (lost === undefined) throw new Error("the sample is incomplete");
  await engine.journal.clear(lost.seq, lost.seq + lost.span);
  await engine.close();

  const file = join(newDirectory(), "damaged.gz");
  const end = await exportStore(directory, file);
  expect(end.damaged).toEqual([sample.binary]);
  const target = newDirectory();
  const { refusals, report } = await importFile(target, file);
  expect(refusals).toEqual([`${sample.binary} was damaged when it was exported`]);
  expect(report.newCoValues).toBe(end.covalues);
  const contents = (await contentsOf(target))[sample.binary] as { transactions: Record<string, string[]> };
  const whole = Object.values(row.coSessions)[0]?.count ?? 0;
  const [transactions] = Object.values(contents.transactions);
  expect(transactions?.length).toBeGreaterThan(0);
  expect(transactions?.length).toBeLessThan(whole);
});

test("a store is imported from another one that is in use", async () => {
  const directory = newDirectory();
  const storage = await openForTest(directory);
  const sample = await fillSample(storage);
  const source = await openStoreSource(directory);
  const target = newDirectory();
  expect(await importInto(target, source)).toMatchObject({ refused: 0 });
  await source.close();
  await sample.node.gracefulShutdown();
  await storage.close();
  expect(await contentsOf(target)).toEqual(await contentsOf(directory));
});

test("an older export does not bring back what is deleted and erased", async () => {
  const directory = newDirectory();
  const storage = await openForTest(directory);
  const { node } = await LocalNode.withNewlyCreatedAccount({
    creationProps: { name: "eraser" },
    crypto,
    storage,
  });
  const map = node.createGroup().createMap();
  map.set("secret", "value");
  await node.syncManager.waitForAllCoValuesSync();
  const file = join(newDirectory(), "old.gz");
  await exportStore(directory, file);
  map.core.deleteCoValue();
  await node.syncManager.waitForAllCoValuesSync();
  await storage.eraseAllDeletedCoValues();
  await node.gracefulShutdown();
  await storage.close();
  const erased = await contentsOf(directory);
  const { report } = await importFile(directory, file);
  expect(report).toMatchObject({ newTransactions: 0, refused: 0, erased: 1 });
  expect(await contentsOf(directory)).toEqual(erased);
});

test("an import refuses a store that is open, and a directory that is something else, and leaves both alone", async () => {
  const { file } = await exportedSample();
  const directory = newDirectory();
  const storage = await openForTest(directory);
  await expect(importFile(directory, file)).rejects.toThrow(/open in another process. Stop that process/);
  expect(await new Promise((resolve) => storage.getCoValueCount(resolve))).toBe(0);
  const photos = newDirectory();
  writeFileSync(join(photos, "cat.jpg"), "cat");
  await expect(importFile(photos, file)).rejects.toThrow(/is not empty, and what is in it is no store/);
  expect(existsSync(join(photos, "db"))).toBe(false);
});
