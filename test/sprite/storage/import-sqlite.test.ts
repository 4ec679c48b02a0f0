import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { RawCoID } from "cojson";
import { expect, test } from "vitest";
import { importInto } from "../../../sprite/storage/import.ts";
import { openSqliteSource } from "../../../sprite/storage/sqlite-source.ts";
import { openSqliteStorage } from "../../support/sqlite-storage.ts";
import { newDirectory } from "./open-for-test.ts";
import { contentsOf, fillSample } from "./sample-store.ts";

function idsInSqlite(path: string): RawCoID[] {
  const database = new DatabaseSync(path, { readOnly: true });
  const rows = database.prepare("SELECT id FROM coValues").all();
  database.close();
  return rows.map(({ id }) => id as RawCoID);
}

test("a database of cojson's SQLite storage is imported whole, while it is in use, and stays as it is", async () => {
  const path = join(newDirectory(), "jazz.sqlite");
  const sqlite = openSqliteStorage({ sqlite: path });
  const sample = await fillSample(sqlite.storage);
  const target = newDirectory();
  const refusals: string[] = [];
  const source = await openSqliteSource(path);
  const report = await importInto(target, source, { onRefused: (reason) => refusals.push(reason) });
  await source.close();
  await sample.node.gracefulShutdown();
  sqlite.close();
  expect(refusals).toEqual([]);
  const imported = await contentsOf(target);
  expect(Object.keys(imported)).toHaveLength(report.newCoValues);
  expect(Object.keys(imported).sort()).toEqual(idsInSqlite(path).sort());
  for (const id of idsInSqlite(path)) {
    const core = sample.node.getCoValue(id);
    const content = imported[core.id] as { header: unknown; transactions: Record<string, string[]> };
    expect(content.header).toEqual(core.verified?.header);
    const counts = Object.entries(content.transactions).map(([id, { length }]) => [id, length]);
    expect(Object.fromEntries(counts)).toEqual(core.knownState().sessions);
  }
  expect(imported).toHaveProperty(sample.deleted);

  const again = await openSqliteSource(path);
  expect(await importInto(target, again)).toMatchObject({ newCoValues: 0, newTransactions: 0, refused: 0 });
  await again.close();
});

test("a database of an older schema is imported from a copy; another kind of database is refused", async () => {
  const path = join(newDirectory(), "old.sqlite");
  const sqlite = openSqliteStorage({ sqlite: path });
  const sample = await fillSample(sqlite.storage);
  await sample.node.gracefulShutdown();
  sqlite.close();
  const database = new DatabaseSync(path);
  database.exec("DROP TABLE storageReconciliationLocks; DROP TABLE deletedCoValues; PRAGMA user_version = 4");
  database.close();
  const before = readFileSync(path);
  const source = await openSqliteSource(path);
  const report = await importInto(newDirectory(), source);
  await source.close();
  expect(report.newCoValues).toBeGreaterThan(5);
  expect(report.refused).toBe(0);
  expect(readFileSync(path).equals(before)).toBe(true);

  const foreign = join(newDirectory(), "foreign.sqlite");
  new DatabaseSync(foreign).exec("CREATE TABLE notes (text TEXT)");
  await expect(openSqliteSource(foreign)).rejects.toThrow(/not a database of cojson/);
});

test("a damaged row of a SQLite database is refused with its CoValue, and all others are imported", async () => {
  const path = join(newDirectory(), "damaged.sqlite");
  const sqlite = openSqliteStorage({ sqlite: path });
  const sample = await fillSample(sqlite.storage);
  await sample.node.gracefulShutdown();
  sqlite.close();
  const database = new DatabaseSync(path);
  database
    .prepare(
      "UPDATE transactions SET tx = '{' WHERE idx = 3 AND ses IN (SELECT s.rowID FROM sessions s JOIN coValues c ON c.rowID = s.coValue WHERE c.id = ?)",
    )
    .run(sample.map.id);
  database.close();
  const refusals: string[] = [];
  const source = await openSqliteSource(path);
  const report = await importInto(newDirectory(), source, { onRefused: (reason) => refusals.push(reason) });
  await source.close();
  expect(refusals).toEqual([expect.stringContaining(sample.map.id)]);
  expect(report.newCoValues).toBe(idsInSqlite(path).length - 1);
});
