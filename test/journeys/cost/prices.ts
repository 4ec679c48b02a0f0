/** US dollars, as published in November 2026. Allowances that are included once an account are left out. */
export const PRICES = {
  /** developers.cloudflare.com/workers/platform/pricing: a WebSocket is one request for its whole life. */
  workerRequest: 0.3e-6,
  workerCpuMs: 0.02e-6,
  /** …/durable-objects/platform/pricing. Objects that may hibernate cost no duration, also before they have. */
  objectRequest: 0.15e-6,
  objectGbSecond: 12.5e-6,
  rowRead: 0.001e-6,
  rowWritten: 1e-6,
  /** …/kv/platform/pricing */
  kvRead: 0.5e-6,
  kvWrite: 5e-6,
  /** fly.io/docs/about/pricing: a stopped Machine's image and any volume, GB and month; running shared-cpu-1x, 256 MB, 30 days. */
  machineStorageGbMonth: 0.15,
  machineMonth256: 2.19,
  /** Fly Sprites: stored data, GB and month; CPU and memory while awake, by what is used. */
  spriteStorageGbMonth: 0.02,
  spriteCpuHour: 0.07,
  spriteMemoryGbHour: 0.04375,
} as const;

/** Plans of Fly Sprites, by how many may run at once. More is a matter of talking to Fly. */
export const SPRITE_PLANS = [3, 20, 50, 100, 200, 500, 1_000, 2_000] as const;

/** What is measured or decided elsewhere, and which way it is rounded. */
export const ASSUMED = {
  /** CPU of one ping, ms: docs/benchmarks.md, "open and silent", all of workerd's threads, rounded up. */
  pingCpuMs: 0.1,
  /** CPU of the edge for all messages of one client in one wake-up, ms: some ten messages of 0.2 ms. */
  wakeCpuMs: 2,
  /** Wall-clock time of one call of a coordinator, seconds: it writes to its storage. */
  objectSeconds: 0.02,
  objectGb: 0.128,
  /** A Sprite's time awake for one wake-up: SPRITE_SLEEP_AFTER, and starting and stopping. */
  awakeSeconds: 32,
  /** GB of the image on a stopped Machine, and SPRITE_VOLUME_GB. */
  imageGb: 0.3,
  volumeGb: 1,
  /** GB that a group has stored on a Fly Sprite, with the server itself. */
  spriteGb: 0.3,
  /** A Sprite's share of a CPU while it is awake, mostly waiting, and its memory. */
  spriteCpus: 0.02,
  spriteMemoryGb: 0.15,
} as const;
