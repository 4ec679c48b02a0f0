import { describe, expect, test } from "vitest";
import { CLOSE, LIMITS } from "../../shared/limits.ts";

describe("limits", () => {
  test("pings come often enough, even if one is lost", () => {
    expect(LIMITS.pingIntervalMs).toBeGreaterThanOrEqual(1_500);
    expect(LIMITS.pingIntervalMs).toBeLessThanOrEqual(5_000);
    expect(2 * LIMITS.pingIntervalMs).toBeLessThan(LIMITS.clientPingTimeoutMs);
    expect(2 * LIMITS.pingIntervalMs).toBeLessThan(LIMITS.upstreamSilenceMs);
  });

  test("a Sprite is located and dialled before the client gives its load up", () => {
    expect(LIMITS.locateTimeoutMs).toBeLessThan(LIMITS.clientLoadTimeoutMs);
    expect(LIMITS.dialTimeoutMs + LIMITS.attachRetryMaxMs).toBeLessThan(LIMITS.clientLoadTimeoutMs);
    expect(LIMITS.firstDialTimeoutMs).toBeLessThan(LIMITS.dialTimeoutMs / 2);
    expect(LIMITS.joinFlightMs).toBeLessThan(LIMITS.locateTimeoutMs);
  });

  test("a message fits into a frame, a frame under Cloudflare's 32 MiB, a queue holds more than one of them", () => {
    expect(LIMITS.headerChars).toBeLessThan(LIMITS.messageChars);
    expect(LIMITS.messageChars).toBeLessThan(LIMITS.frameChars);
    expect(LIMITS.frameChars).toBeLessThan(32 * 1024 * 1024);
  });

  test("what may wait in one place fits into the session, the session into the isolate, and it into workerd's 128 MB", () => {
    expect(LIMITS.upstreamQueueBytes).toBeLessThan(LIMITS.sessionBytes);
    expect(LIMITS.sessionPendingBytes).toBeLessThan(LIMITS.sessionBytes);
    expect(LIMITS.unacknowledgedBytes).toBeLessThan(LIMITS.sessionBytes);
    expect(3 * LIMITS.unacknowledgedBytes).toBeLessThan(LIMITS.isolateBytes);
    expect(LIMITS.clientUnreadBytes).toBeLessThan(LIMITS.sessionBytes);
    expect(LIMITS.sessionBytes).toBeLessThan(LIMITS.isolateBytes);
    expect(LIMITS.clientUnreadMaxBytes).toBeLessThan(LIMITS.isolateBytes);
    expect(LIMITS.clientUnreadMaxBytes).toBeGreaterThan(LIMITS.clientUnreadBytes + LIMITS.messageChars);
    expect(LIMITS.isolateBytes).toBeLessThanOrEqual(64 * 1024 * 1024);
  });

  test("what a session remembers is less than half of its isolate's, and all of it fits beside what waits and the caches", () => {
    expect(LIMITS.rememberedBytes).toBeLessThan(LIMITS.isolateRememberedBytes / 2);
    expect(LIMITS.rememberedBytes).toBeLessThan(LIMITS.rememberedMaxBytes);
    expect(LIMITS.rememberedMaxBytes).toBeLessThan(LIMITS.isolateRememberedBytes);
    const caches = 200 * LIMITS.directoryCacheEntries;
    expect(LIMITS.isolateBytes + LIMITS.isolateRememberedBytes + caches).toBeLessThan(128 * 1024 * 1024);
    expect(LIMITS.wantedPerSession).toBeLessThan(LIMITS.wantedPerShard / 2);
  });

  test("who works off half of what is unread has answered a mark, and has some time for it", () => {
    expect(2 * LIMITS.markBytes).toBeLessThan(LIMITS.spriteUnreadBytes / 2);
    expect(LIMITS.spriteUnreadBytes).toBeLessThan(LIMITS.clientUnreadBytes);
    expect(LIMITS.stalledMs).toBeGreaterThan(LIMITS.clientLoadTimeoutMs);
    expect(LIMITS.forgetSessionMs).toBeGreaterThan(10 * LIMITS.pingIntervalMs);
  });

  test("a pass outlives a dial and the clock's tolerance", () => {
    expect(LIMITS.passTtlSeconds * 1000).toBeGreaterThan(
      LIMITS.dialTimeoutMs + LIMITS.passClockToleranceSeconds * 1000,
    );
  });

  test("an ordered shutdown has time for what it waits for, a last backup and the goodbyes", () => {
    const goodbyeMs = 1_000;
    expect(LIMITS.shutdownMs / 2 + LIMITS.backupAtStopMs + goodbyeMs).toBeLessThan(LIMITS.shutdownMs);
    expect(LIMITS.backupAtStopMs).toBeLessThan(LIMITS.backupAwakeMs);
  });

  test("a digest fits into one row, and whoever spreads out is there before the Sprite sleeps again", () => {
    expect(LIMITS.digestValues * 27).toBeLessThan(2_000_000);
    expect(LIMITS.digestValues * 27).toBeLessThan(LIMITS.messageChars);
    expect(LIMITS.watcherSpreadMaxMs).toBeLessThan(LIMITS.sleepAfterSeconds * 1_000);
    expect(LIMITS.digestMs).toBeLessThan(LIMITS.shutdownMs);
    expect(LIMITS.unchangedTimeoutMs).toBeLessThan(LIMITS.clientPingTimeoutMs);
  });

  test("private close codes are in the application's range", () => {
    expect(CLOSE.asleep).toBeGreaterThanOrEqual(4000);
    expect(CLOSE.asleep).toBeLessThan(5000);
  });
});
