import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from "@aws-sdk/client-s3";
import pRetry from "p-retry";
import { type ErrorCode, SpriteSyncError } from "../../../shared/errors.ts";
import type { PlaceEnv } from "./open-place.ts";
import type { BackupPlace, PlaceObject } from "./place.ts";

/** Tries of one request, by the client itself: with its pauses about half a minute of trouble. */
const REQUEST_ATTEMPTS = 6;
/** The client does not repeat a download whose body breaks off. */
const BODY_RETRIES = 3;
const CONNECT_MS = 10_000;
/** Without a byte for this long a connection is dead; an object of 8 MiB is on its way for seconds. */
const SILENCE_MS = 60_000;

const AUTH_ERRORS =
  /AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|Expired|Credentials|InvalidToken|Forbidden|Unauthorized/;
const CONFIG_ERRORS =
  /NoSuchBucket|InvalidBucketName|PermanentRedirect|AuthorizationHeaderMalformed|Region is missing/;

/** Backups under a prefix of a bucket, at Amazon or any service that speaks S3. */
export class S3Place implements BackupPlace {
  readonly name: string;
  readonly #client: S3Client;
  readonly #bucket: string;
  /** Empty, or ends in `/`. */
  readonly #prefix: string;

  private constructor(name: string, client: S3Client, bucket: string, prefix: string) {
    this.name = name;
    this.#client = client;
    this.#bucket = bucket;
    this.#prefix = prefix;
  }

  /** @param where `s3://bucket/prefix` @throws SpriteSyncError `config-invalid` */
  static open(where: string, env: PlaceEnv): S3Place {
    const { bucket, prefix } = parse(where);
    return new S3Place(`s3://${bucket}/${prefix}`, new S3Client(configOf(env)), bucket, prefix);
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const object = {
      Bucket: this.#bucket,
      Key: this.#prefix + key,
      Body: bytes,
      ContentLength: bytes.length,
    };
    await this.#client
      .send(new PutObjectCommand(object))
      .catch((error: unknown) => this.#fail("write to", error));
  }

  async get(key: string): Promise<Buffer | undefined> {
    try {
      return await pRetry(() => this.#download(key), {
        retries: BODY_RETRIES,
        // What has a status was an answer, and has been retried where that makes sense.
        shouldRetry: ({ error }) => statusOf(error) === undefined,
      });
    } catch (error) {
      if (error instanceof Error && error.name === "NoSuchKey") return undefined;
      return this.#fail("read from", error);
    }
  }

  async *list(prefix: string): AsyncGenerator<PlaceObject> {
    let token: string | undefined;
    do {
      const query = new ListObjectsV2Command({
        Bucket: this.#bucket,
        Prefix: this.#prefix + prefix,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      });
      const page = await this.#client.send(query).catch((error: unknown) => this.#fail("list", error));
      for (const { Key, Size } of page.Contents ?? []) {
        if (Key !== undefined) yield { key: Key.slice(this.#prefix.length), bytes: Size ?? 0 };
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async delete(key: string): Promise<void> {
    // One by one: a batch needs checksums on which services differ.
    const object = { Bucket: this.#bucket, Key: this.#prefix + key };
    await this.#client
      .send(new DeleteObjectCommand(object))
      .catch((error: unknown) => this.#fail("delete from", error));
  }

  async close(): Promise<void> {
    this.#client.destroy();
  }

  async #download(key: string): Promise<Buffer> {
    const { Body } = await this.#client.send(
      new GetObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + key }),
    );
    if (Body === undefined) throw new Error("the answer has no body");
    return Buffer.from(await Body.transformToByteArray());
  }

  #fail(what: string, cause: unknown): never {
    const [code, advice] = meaningOf(cause);
    const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    throw new SpriteSyncError(code, `Cannot ${what} ${this.name}: ${reason}. ${advice}`, { cause });
  }
}

function parse(where: string): { bucket: string; prefix: string } {
  const [, bucket, path = ""] = /^s3:\/\/([^/?#@:]+)(?:\/([^?#]*))?$/.exec(where) ?? [];
  if (bucket === undefined) {
    throw new SpriteSyncError("config-invalid", "The place of the backups is not s3://bucket/prefix.");
  }
  const parts = path.split("/").filter((part) => part !== "");
  return { bucket, prefix: parts.map((part) => `${part}/`).join("") };
}

function configOf(env: PlaceEnv): S3ClientConfig {
  const endpoint = env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL;
  // Services other than Amazon take this, or have their own name for it.
  const region = env.AWS_REGION || env.AWS_DEFAULT_REGION || (endpoint === undefined ? undefined : "auto");
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (endpoint !== undefined && !URL.canParse(endpoint)) {
    throw new SpriteSyncError("config-invalid", "AWS_ENDPOINT_URL_S3 is not an address like https://host.");
  }
  const session = env.AWS_SESSION_TOKEN ? { sessionToken: env.AWS_SESSION_TOKEN } : {};
  return {
    maxAttempts: REQUEST_ATTEMPTS,
    requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: SILENCE_MS },
    // Newer checksums come as trailers, which compatible services do not know; the backup has its own.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    // Else the client looks where all AWS tools look: profiles, the machine's role.
    ...(accessKeyId && secretAccessKey ? { credentials: { accessKeyId, secretAccessKey, ...session } } : {}),
  };
}

function meaningOf(error: unknown): readonly [ErrorCode, string] {
  const text = error instanceof Error ? `${error.name} ${error.message}` : "";
  const status = statusOf(error);
  if (CONFIG_ERRORS.test(text)) {
    return ["config-invalid", "Check the bucket's name, AWS_REGION and AWS_ENDPOINT_URL_S3."];
  }
  if (AUTH_ERRORS.test(text) || status === 401 || status === 403) {
    return [
      "auth",
      "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that they may list, read, write and delete.",
    ];
  }
  return ["transient", "Try again later; if it stays so, check AWS_ENDPOINT_URL_S3."];
}

/** HTTP status of the answer that an error is about. */
function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("$metadata" in error)) return undefined;
  const { $metadata: metadata } = error;
  if (typeof metadata !== "object" || metadata === null || !("httpStatusCode" in metadata)) return undefined;
  return typeof metadata.httpStatusCode === "number" ? metadata.httpStatusCode : undefined;
}
