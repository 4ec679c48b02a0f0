import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { PlaceEnv } from "../../../../sprite/storage/backup/index.ts";

interface S3Server {
  run(): Promise<AddressInfo>;
  close(): Promise<void>;
}
type S3ServerClass = new (options: {
  address: string;
  port: number;
  silent: boolean;
  directory: string;
  configureBuckets: { name: string }[];
}) => S3Server;

type Cipher = (algorithm: string, key: Buffer, iv: Buffer) => unknown;

const require = createRequire(import.meta.url);

/**
 * s3rver 3.7 makes its continuation tokens with DES, which OpenSSL 3 does not have any more: a list of more than a page
 * would be an internal error. The tokens mean nothing to a client, so any other cipher does.
 */
function replaceDes(): void {
  const crypto = require("node:crypto") as Record<"createCipheriv" | "createDecipheriv", Cipher>;
  for (const name of ["createCipheriv", "createDecipheriv"] as const) {
    const original = crypto[name];
    crypto[name] = (algorithm, key, iv) =>
      algorithm === "des"
        ? original("aes-128-cbc", Buffer.concat([key, key]), Buffer.concat([iv, iv]))
        : original(algorithm, key, iv);
  }
}

replaceDes();

export const BUCKET = "backups";

/** A server that speaks S3, with an empty bucket, until the test ends. @returns how it is reached */
export async function startS3(): Promise<PlaceEnv> {
  const S3 = require("s3rver") as S3ServerClass;
  const directory = mkdtempSync(join(tmpdir(), "sprite-s3-"));
  const options = {
    address: "127.0.0.1",
    port: 0,
    silent: true,
    directory,
    configureBuckets: [{ name: BUCKET }],
  };
  const server = new S3(options);
  const { port } = await server.run();
  onTestFinished(async () => {
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return {
    AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`,
    AWS_ACCESS_KEY_ID: "S3RVER",
    AWS_SECRET_ACCESS_KEY: "S3RVER",
  };
}
