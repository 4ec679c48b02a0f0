import { mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openPlace } from "../../../../sprite/storage/backup/index.ts";
import { newDirectory } from "../open-for-test.ts";
import { KINDS, keysIn } from "./places.ts";
import { BUCKET, startS3 } from "./s3-server.ts";

for (const [kind, open] of Object.entries(KINDS)) {
  describe(`${kind} as a place of backups`, () => {
    test("gives back the bytes that were put, the last ones of a key, and nothing for another key", async () => {
      const place = await open();
      const large = Buffer.alloc(9_000_000, "large");
      await place.put("a/one-1.zst", Buffer.from("first"));
      await place.put("a/one-1.zst", Buffer.from("second"));
      await place.put("a/b/large", large);
      await place.put("a/empty", Buffer.alloc(0));
      expect((await place.get("a/one-1.zst"))?.toString()).toBe("second");
      expect((await place.get("a/b/large"))?.equals(large)).toBe(true);
      expect((await place.get("a/empty"))?.length).toBe(0);
      expect(await place.get("a/none")).toBeUndefined();
      expect(await place.get("none/at/all")).toBeUndefined();
    });

    test("lists what begins with a prefix, in order of keys, with its size", async () => {
      const place = await open();
      for (const key of ["b/2", "a-b/1", "b/1/x", "b/10", "c"]) await place.put(key, Buffer.from(key));
      const listed: unknown[] = [];
      for await (const object of place.list("b/")) listed.push(object);
      expect(listed).toEqual([
        { key: "b/1/x", bytes: 5 },
        { key: "b/10", bytes: 4 },
        { key: "b/2", bytes: 3 },
      ]);
      expect(await keysIn(place, "b/1")).toEqual(["b/1/x", "b/10"]);
      expect(await keysIn(place)).toEqual(["a-b/1", "b/1/x", "b/10", "b/2", "c"]);
      expect(await keysIn(place, "none/")).toEqual([]);
    });

    test("deletes one object and nothing else, and what is not there without an error", async () => {
      const place = await open();
      await place.put("a/b/1", Buffer.from("1"));
      await place.put("a/b/2", Buffer.from("2"));
      await place.delete("a/b/1");
      await place.delete("a/b/1");
      await place.delete("x/y");
      expect(await keysIn(place)).toEqual(["a/b/2"]);
      await place.delete("a/b/2");
      expect(await keysIn(place)).toEqual([]);
      await place.put("a/b/3", Buffer.from("3"));
      expect(await keysIn(place)).toEqual(["a/b/3"]);
    });

    test("takes the same key from many at once, and has one of them whole", async () => {
      const place = await open();
      const bodies = Array.from({ length: 8 }, (_, index) => Buffer.alloc(100_000, String(index)));
      await Promise.all(bodies.map((body) => place.put("same/key", body)));
      const found = await place.get("same/key");
      expect(bodies.some((body) => found?.equals(body))).toBe(true);
      expect(await keysIn(place)).toEqual(["same/key"]);
    });
  });
}

test("a bucket lists all of its pages", { timeout: 120_000 }, async () => {
  const place = await openPlace(`s3://${BUCKET}/pages`, await startS3());
  const keys = Array.from({ length: 1_050 }, (_, index) => `many/${index.toString().padStart(4, "0")}`);
  for (let start = 0; start < keys.length; start += 50) {
    await Promise.all(keys.slice(start, start + 50).map((key) => place.put(key, Buffer.from("x"))));
  }
  expect(await keysIn(place, "many/")).toEqual(keys);
});

test("two prefixes of one bucket do not see each other", async () => {
  const env = await startS3();
  const one = await openPlace(`s3://${BUCKET}/one`, env);
  const two = await openPlace(`s3://${BUCKET}/one-two/`, env);
  await one.put("key", Buffer.from("1"));
  await two.put("key", Buffer.from("2"));
  expect(await keysIn(one)).toEqual(["key"]);
  expect((await two.get("key"))?.toString()).toBe("2");
});

test("a directory keeps nothing of an object that was never finished, and removes it after a day", async () => {
  const directory = newDirectory();
  const unfinished = join(directory, ".unfinished");
  mkdirSync(unfinished);
  for (const name of ["new", "old"]) writeFileSync(join(unfinished, name), "half");
  const yesterday = Date.now() / 1000 - 25 * 60 * 60;
  utimesSync(join(unfinished, "old"), yesterday, yesterday);
  const place = await openPlace(directory, {});
  expect(await keysIn(place)).toEqual([]);
  expect(readdirSync(unfinished)).toEqual(["new"]);
});

test("a failed put leaves nothing in a directory", async () => {
  const directory = newDirectory();
  const place = await openPlace(directory, {});
  writeFileSync(join(directory, "taken"), "a file");
  await expect(place.put("taken/key", Buffer.from("x"))).rejects.toMatchObject({ code: "config-invalid" });
  expect(readdirSync(join(directory, ".unfinished"))).toEqual([]);
});

test("a place that cannot be one is refused with what to do", async () => {
  await expect(openPlace("https://host/bucket", {})).rejects.toThrow(
    "use a directory, or s3://bucket/prefix",
  );
  await expect(openPlace("s3://", {})).rejects.toThrow("not s3://bucket/prefix");
  await expect(openPlace("", {})).rejects.toThrow("no name");
  const env = { AWS_ENDPOINT_URL_S3: "host", AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" };
  await expect(openPlace("s3://bucket", env)).rejects.toThrow("AWS_ENDPOINT_URL_S3");
});

test("a missing bucket is the configuration's fault, and the message has no secret", async () => {
  const env = { ...(await startS3()), AWS_SECRET_ACCESS_KEY: "S3RVER" };
  const place = await openPlace("s3://other-bucket/x", env);
  const failed = await place.put("key", Buffer.from("x")).catch((error: unknown) => error);
  expect(failed).toMatchObject({ code: "config-invalid" });
  expect(String(failed)).toContain("s3://other-bucket/x/");
  expect(String(failed)).not.toContain("S3RVER");
});
