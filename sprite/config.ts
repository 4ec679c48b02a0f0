// Not `zod`: its methods are all made at the import, which takes 10 ms of every cold start.
import * as z from "zod/mini";
import { SpriteSyncError } from "../shared/errors.ts";
import { asHome, type GroupId, isCoValueId } from "../shared/ids.ts";
import { LIMITS } from "../shared/limits.ts";
import { type PassKeys, parsePassKeys } from "../shared/pass.ts";
import type { QuotaLimits } from "./quota.ts";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
/** Where Fly's API listens inside a Machine (facts/fly-machines §1.1). */
export const MACHINE_SOCKET = "/.fly/api";
/** How a Sprite sleeps: its process ends, its Machine is suspended with its memory, or that only where Fly can. */
export const SLEEP_WAYS = ["exit", "suspend", "auto"] as const;
export type SleepWay = (typeof SLEEP_WAYS)[number];
export const DURABILITIES = ["flush", "fsync"] as const;
export type Durability = (typeof DURABILITIES)[number];

/** Where a Sprite's disk is mounted unless `SPRITE_DATA` says otherwise. */
const DEFAULT_DATA = "/data/hypercore-storage";

/** Where a Fly Sprite's runtime listens (facts/fly-sprites §4). */
const DEFAULT_RUNTIME_SOCKET = "/.sprite/api.sock";

/** What one Sprite runs with. Everything that the environment decides is in here. */
export interface Config {
  readonly home: GroupId;
  /** 0 takes any free port. */
  readonly port: number;
  readonly data: string;
  readonly passKeys: PassKeys;
  /** Idle time before it sleeps; 0 = never. */
  readonly sleepAfterMs: number;
  readonly durability: Durability;
  /** Names what a fleet has installed here; said in the hello, so that the edge can tell whether it is the present one. */
  readonly setup: string | undefined;
  /** How it sleeps; see `suspends`. */
  readonly sleep: SleepWay;
  /** Socket of a Fly Machine's own API. There is one only inside of a Machine. */
  readonly machineSocket: string;
  /** Memory of the Machine in MiB, where Fly says so. */
  readonly machineMb: number | undefined;
  /** Socket of a Fly Sprite's runtime. There is one only inside of a Fly Sprite. */
  readonly runtimeSocket: string;
  /** Where it backs itself up, if anywhere. */
  readonly backup: BackupConfig | undefined;
  /** The edge's address for clients, to follow foreign parent groups; without it they are not followed. */
  readonly syncUrl: string | undefined;
  /** How much it stores, and of whom. */
  readonly quota: QuotaLimits;
  readonly logLevel: LogLevel;
}

type AwsSetting =
  | "AWS_ACCESS_KEY_ID"
  | "AWS_SECRET_ACCESS_KEY"
  | "AWS_SESSION_TOKEN"
  | "AWS_REGION"
  | "AWS_ENDPOINT_URL_S3";

export interface BackupConfig {
  /** An absolute directory, or `s3://bucket/prefix`. */
  readonly place: string;
  /** While it stays awake, at most so often. */
  readonly everyMs: number;
  /** Days after which generations of backups are removed; `undefined` keeps them all. */
  readonly keepDays: number | undefined;
  /** How a bucket is reached, by the names of the AWS tools. */
  readonly env: Readonly<Record<AwsSetting, string | undefined>>;
}

const passKeys = z.pipe(
  z.string({ error: "is missing" }),
  z.transform((text: string, context): PassKeys => {
    try {
      return parsePassKeys(text);
    } catch (error) {
      const message = (error as Error).message.replace(/^PASS_KEYS /, "");
      context.issues.push({ code: "custom", input: "", message });
      return z.NEVER;
    }
  }),
);

const home = z.pipe(
  z
    .string({ error: "is missing; it is the id of the group whose CoValues this Sprite holds" })
    .check(z.refine(isCoValueId, "must be a CoValue id (co_z…)")),
  z.transform((id: string) => (isCoValueId(id) ? asHome(id) : z.NEVER)),
);

const wholeNumber = (what: string, max: number) =>
  z.pipe(
    z.string().check(z.regex(/^\d{1,9}$/, `must be a whole number: ${what}`)),
    z.pipe(z.transform(Number), z.number().check(z.maximum(max, `must be at most ${max}: ${what}`))),
  );

const oneOf = <const Names extends readonly string[]>(names: Names) =>
  z.enum(names, { error: `must be one of ${names.join(", ")}` });

const ENVIRONMENT = z.object({
  SPRITE_HOME: home,
  PORT: z._default(wholeNumber("a TCP port, 0 for any free one", 65_535), 8080),
  SPRITE_DATA: z._default(z.string().check(z.minLength(1, "must be a directory")), DEFAULT_DATA),
  PASS_KEYS: passKeys,
  SPRITE_SLEEP_AFTER: z._default(
    wholeNumber("seconds without traffic, 0 for never", 86_400 * 365),
    LIMITS.sleepAfterSeconds,
  ),
  SPRITE_SLEEP: z._default(oneOf(SLEEP_WAYS), "exit"),
  SPRITE_MACHINE_SOCKET: z._default(z.string(), MACHINE_SOCKET),
  SPRITE_DURABILITY: z._default(oneOf(DURABILITIES), "fsync"),
  SPRITE_SETUP: z.optional(z.string().check(z.regex(/^[\w.]{1,64}$/, "must be a short name"))),
  SPRITE_RUNTIME_SOCKET: z._default(z.string(), DEFAULT_RUNTIME_SOCKET),
  SPRITE_STRANGER_KB: z._default(
    wholeNumber("KiB that authors without a role may store", 1_048_576),
    LIMITS.strangerKb,
  ),
  SPRITE_STRANGER_VALUES: z._default(
    wholeNumber("values that authors without a role may create", 1_000_000),
    LIMITS.strangerValues,
  ),
  SPRITE_MEMBER_MB: z._default(
    wholeNumber("MiB of the whole store, 0 for no limit", 999_999_999),
    LIMITS.memberMb,
  ),
  SYNC_URL: z.optional(z.url({ protocol: /^wss?$/, error: "must be a ws:// or wss:// address" })),
  SPRITE_BACKUP: z.optional(
    z.string().check(z.regex(/^(s3:\/\/[^/]|\/|$)/, "must be an absolute directory or s3://bucket/prefix")),
  ),
  SPRITE_BACKUP_EVERY: z._default(wholeNumber("minutes between two backups", 60 * 24 * 365), 15),
  SPRITE_BACKUP_KEEP_DAYS: z._default(wholeNumber("days, 0 for ever", 36_500), 0),
  AWS_ACCESS_KEY_ID: z.optional(z.string()),
  AWS_SECRET_ACCESS_KEY: z.optional(z.string()),
  AWS_SESSION_TOKEN: z.optional(z.string()),
  AWS_REGION: z.optional(z.string()),
  AWS_ENDPOINT_URL_S3: z.optional(z.url({ protocol: /^https?$/, error: "must be an http(s) address" })),
  LOG_LEVEL: z._default(oneOf(LOG_LEVELS), "info"),
});

/** The names of all settings, for the documentation's test. */
export const SPRITE_SETTINGS: readonly string[] = Object.keys(ENVIRONMENT.shape);

/**
 * Reads the environment of a Sprite, once.
 * @throws SpriteSyncError `config-invalid`, naming every variable that is wrong; never a value.
 */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const result = ENVIRONMENT.safeParse(env);
  if (!result.success) {
    const problems = result.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`);
    throw new SpriteSyncError("config-invalid", `the environment is not usable: ${problems.join("; ")}`);
  }
  const values = result.data;
  return Object.freeze({
    home: values.SPRITE_HOME,
    port: values.PORT,
    data: values.SPRITE_DATA,
    passKeys: values.PASS_KEYS,
    sleepAfterMs: values.SPRITE_SLEEP_AFTER * 1_000,
    durability: values.SPRITE_DURABILITY,
    sleep: values.SPRITE_SLEEP,
    machineSocket: values.SPRITE_MACHINE_SOCKET,
    // Fly's own, and so not a setting: never wrong.
    machineMb: Number(env.FLY_VM_MEMORY_MB) || undefined,
    setup: values.SPRITE_SETUP,
    runtimeSocket: values.SPRITE_RUNTIME_SOCKET,
    backup: values.SPRITE_BACKUP
      ? Object.freeze({
          place: values.SPRITE_BACKUP,
          everyMs: values.SPRITE_BACKUP_EVERY * 60_000,
          keepDays: values.SPRITE_BACKUP_KEEP_DAYS || undefined,
          env: Object.freeze(awsOf(values)),
        })
      : undefined,
    syncUrl: values.SYNC_URL,
    quota: Object.freeze({
      strangerBytes: values.SPRITE_STRANGER_KB * 1024,
      strangerValues: values.SPRITE_STRANGER_VALUES,
      memberBytes: values.SPRITE_MEMBER_MB * 1024 * 1024 || Number.POSITIVE_INFINITY,
    }),
    logLevel: values.LOG_LEVEL,
  });
}

function awsOf(values: Partial<BackupConfig["env"]>): BackupConfig["env"] {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL_S3 } =
    values;
  return { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL_S3 };
}
