import { expect, test } from "vitest";
import { SpriteSyncError } from "../../shared/errors.ts";
import { parseConfig } from "../../sprite/config.ts";

const HOME = "co_zfimDznFcSY4rbcKEP1Y5yEQ3MC";
const SECRET = "a-secret-for-tests-of-at-least-32-characters";
const NEEDED = { SPRITE_HOME: HOME, PASS_KEYS: SECRET };

function mistakesOf(env: Record<string, string>): string {
  try {
    parseConfig(env);
  } catch (error) {
    if (error instanceof SpriteSyncError && error.code === "config-invalid") return error.message;
  }
  throw new Error("it was taken for good");
}

test("Only the home and the keys must be given", () => {
  expect(parseConfig(NEEDED)).toMatchObject({
    home: HOME,
    port: 8080,
    data: "/data/hypercore-storage",
    sleepAfterMs: 30_000,
    durability: "fsync",
    syncUrl: undefined,
    logLevel: "info",
  });
});

test("Everything can be set", () => {
  const config = parseConfig({
    ...NEEDED,
    PORT: "0",
    SPRITE_DATA: "/disk",
    PASS_KEYS: `${SECRET},${SECRET}2`,
    SPRITE_SLEEP_AFTER: "0",
    SPRITE_DURABILITY: "fsync",
    SYNC_URL: "wss://edge.example/sync?key=a",
    LOG_LEVEL: "debug",
  });
  expect(config).toMatchObject({
    port: 0,
    data: "/disk",
    sleepAfterMs: 0,
    durability: "fsync",
    syncUrl: "wss://edge.example/sync?key=a",
    logLevel: "debug",
  });
  expect(config.passKeys).toHaveLength(2);
});

test("Backups are made where, how often and with what keys the settings say; none without a place", () => {
  const keys = { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "key", AWS_REGION: "auto" };
  const asked = { SPRITE_BACKUP: "s3://bucket/sprites", SPRITE_BACKUP_EVERY: "5", ...keys };
  expect(parseConfig({ ...NEEDED, ...asked }).backup).toEqual({
    place: "s3://bucket/sprites",
    everyMs: 300_000,
    keepDays: undefined,
    env: { ...keys, AWS_SESSION_TOKEN: undefined, AWS_ENDPOINT_URL_S3: undefined },
  });
  const kept = parseConfig({ ...NEEDED, SPRITE_BACKUP: "/backups", SPRITE_BACKUP_KEEP_DAYS: "30" }).backup;
  expect(kept).toMatchObject({ place: "/backups", everyMs: 900_000, keepDays: 30 });
  expect(parseConfig({ ...NEEDED, SPRITE_BACKUP: "", ...keys }).backup).toBeUndefined();
  for (const place of ["backups", "gs://bucket", "s3://", "s3:///prefix"])
    expect(mistakesOf({ ...NEEDED, SPRITE_BACKUP: place }), place).toContain("SPRITE_BACKUP");
});

test("Nobody can change it afterwards", () => {
  expect(Object.isFrozen(parseConfig(NEEDED))).toBe(true);
});

test("All mistakes are reported at once, by name, and no secret with them", () => {
  const short = "too-short-a-secret";
  const said = mistakesOf({
    SPRITE_HOME: "nobody",
    PASS_KEYS: short,
    PORT: "http",
    SPRITE_SLEEP_AFTER: "-1",
    SPRITE_DURABILITY: "maybe",
    SYNC_URL: "https://edge.example",
    LOG_LEVEL: "loud",
  });
  const names = ["HOME", "KEYS", "PORT", "SLEEP_AFTER", "DURABILITY", "SYNC_URL", "LOG_LEVEL"];
  for (const name of names) expect(said).toContain(name);
  expect(said).not.toContain(short);
});

test.each(["SPRITE_HOME", "PASS_KEYS"])("%s has no default", (name) => {
  expect(mistakesOf({ ...NEEDED, [name]: "" })).toContain(name);
});
