/**
 * Every limit of time and size, with its reason. `test/shared/limits.test.ts` asserts the order they must keep.
 * Times are milliseconds, sizes are bytes (of UTF-16 text: characters) unless the name says otherwise.
 */
export const LIMITS = {
  /** Cloudflare closes a socket with 1009 past 32 MiB (facts/cloudflare §1.1); we refuse before it does. */
  frameChars: 32 * 1024 * 1024 - 1,
  /** One cojson message. cojson cuts content at about 100 KB, but a single transaction may be one large value. */
  messageChars: 16 * 1024 * 1024,
  /**
   * Messages in one frame. cojson joins up to 25 KB and our edge 64 KB, so a thousand at most; a million line feeds were 14 s
   * of work for 1 MB.
   */
  frameMessages: 4_096,
  /**
   * Texts that are no message which one socket may send before it is closed. No client of cojson sends any; content that is
   * refused does not count, or an app would be cut off again and again for one odd value.
   */
  badMessages: 16,
  /** How many messages, and characters, of a frame are handled before other sessions of the isolate have a turn. */
  turnMessages: 512,
  turnChars: 1024 * 1024,
  /**
   * JSON values in one message (commas and opening brackets). cojson cuts content at 100 KB of changes: of the smallest
   * transactions these are 50,000, with four values each.
   */
  jsonElements: 300_000,
  /** Objects and arrays inside each other, of a text that is not short. Headers may have 127. */
  jsonDepth: 1_024,
  /** coSessions in one known state or message: one for each tab that ever wrote a value. */
  coSessions: 20_000,
  /** Headers are a few hundred characters; anything large is an attack on the hash. */
  headerChars: 64 * 1024,
  /** The longest text that a `load` may name as an id and is answered about: an id has 30, an answer shall not amplify. */
  echoedIdChars: 1_024,
  /** cojson sends 100 ids a reconcile batch; a hundredfold leaves room for other settings. */
  reconcileValues: 10_000,
  /** Reconcile batches of one client that are not acknowledged. cojson sends the next one when the last one is. */
  openReconciles: 8,

  /** Clients hang up after 10 s without a frame (cojson-transport-ws `pingTimeout`); the design wants 1.5 to 5 s. */
  pingIntervalMs: 3_000,
  clientPingTimeoutMs: 10_000,

  /** cojson gives a load up 60 s after asking (CO_VALUE_LOADING_CONFIG.TIMEOUT): all our retries fit below it. */
  clientLoadTimeoutMs: 60_000,
  /** One dial of a Sprite, from getting the slot to its hello. Covers a cold boot behind fly-proxy (facts/fly-machines §2.2). */
  dialTimeoutMs: 25_000,
  /**
   * The same for an address that a cache gave. Behind the address of an empty Fly Sprite a visitor waits for ever
   * (facts/fly-sprites §8); a Sprite that is only slow to wake is asked for at its fleet, and dialled again.
   */
  firstDialTimeoutMs: 6_000,
  /** First wait after a failed attach; doubles, with jitter, up to `attachRetryMaxMs`. */
  attachRetryMs: 250,
  attachRetryMaxMs: 10_000,
  /** One call of the coordinator: Fly's create, start and `wait` (≤ 60 s) happen behind it. */
  locateTimeoutMs: 55_000,
  /**
   * How long a session waits for a look-up that another session of its isolate has under way, before it asks itself.
   * A session that ends takes care of its look-ups; this is for the one that workerd ended without a word.
   */
  joinFlightMs: 3_000,
  /** How long a coordinator repeats a refusal that will not change by itself (quota, a wrong token). */
  permanentTroubleMs: 30_000,
  /** One call of a directory shard. */
  directoryTimeoutMs: 5_000,
  directoryRetryMs: 200,
  /** Calls that one session may begin at one shard within `shardGatherMs`; what comes beyond them shares the next. */
  shardCallsAtOnce: 8,
  shardGatherMs: 50,

  /** At most six connections of an invocation may wait for response headers (facts/cloudflare §1.2); one stays free for KV. */
  dialsAtOnce: 5,

  /**
   * What may wait in an isolate, of all its sessions together: half of the 128 MB that it has (facts/cloudflare §1.1). The
   * other half is for caches, what sessions remember of followed values, and the frames that are being handled.
   */
  isolateBytes: 64 * 1024 * 1024,
  /**
   * What the sessions of an isolate may remember together: followed values, ids without a home, replica requests, open
   * reconciliations. With the above and 20 MB of caches it leaves some for frames that are being handled. It is 110,000 followed
   * values.
   */
  isolateRememberedBytes: 32 * 1024 * 1024,
  /**
   * The same for one session. 10,000 followed values of two writers in 30 groups are 3 MB, so that this is four times what
   * a heavy client needs. Past it the client's message is refused; while little of the isolate is free, past a fair share.
   */
  rememberedBytes: 12 * 1024 * 1024,
  /** What Sprites send is remembered all the same; past this the session ends. */
  rememberedMaxBytes: 18 * 1024 * 1024,
  /** What may wait in one session, all its queues together. */
  sessionBytes: 24 * 1024 * 1024,
  /** Messages waiting for one upstream, content apart; what finds no room is repaired. */
  upstreamQueueBytes: 4 * 1024 * 1024,
  /**
   * Content of one session that its homes have not acknowledged. A file of 10 MB is 17.8 MB on the wire: while its Sprite is
   * being made, or made again after a crash, all of that waits here. Past it the client has to send it again.
   */
  unacknowledgedBytes: 20 * 1024 * 1024,
  /** Messages of one session waiting for the directory: the beginning of such a file. */
  sessionPendingBytes: 20 * 1024 * 1024,
  /** Sent to a browser and not worked off by it: past it the Sprites that feed it are detached until it has read half. */
  clientUnreadBytes: 8 * 1024 * 1024,
  /**
   * Past this the browser's socket is closed at once. Only answers of the edge itself lead here, or one message of the
   * greatest size on top of the above.
   */
  clientUnreadMaxBytes: 40 * 1024 * 1024,
  /** Sent to a Sprite and not worked off by it: past it messages wait in the upstream's queue. */
  spriteUnreadBytes: 2 * 1024 * 1024,
  /** How often the other side is asked how far it has got. A round trip each, so not too often. */
  markBytes: 256 * 1024,
  /**
   * A side that has work and makes no progress for this long is given up: the browser's socket is closed, so that it
   * connects anew, a Sprite is attached anew. Longer than a large transaction takes on a slow phone or disk.
   */
  stalledMs: 120_000,
  /** A session that gives no sign for so long was ended by workerd without a word; it gives one every `pingIntervalMs`. */
  forgetSessionMs: 60_000,
  /** Ids without a home that one session may wait for; their shards keep them in memory. */
  wantedPerSession: 10_000,
  /**
   * The same of all sessions together at one shard: about 320 bytes each, a quarter of the 128 MB that an object has. More than
   * is left of it no session gets, see `Watchers`.
   */
  wantedPerShard: 100_000,

  /** Directory entries cached in one isolate: about 200 B each, so 20 MB of the 128 MB that an isolate has. */
  directoryCacheEntries: 100_000,
  /** Accounts whose keys one isolate remembers: about 300 B each. The others are asked for. */
  accountCacheEntries: 10_000,
  /** An agent is two keys: 44 digits each at most, and their prefixes. */
  agentChars: 128,
  /** The first content of a group, by which it proves itself; cojson cuts content at about 100 KB. */
  proofChars: 1024 * 1024,
  /** Pauses that content of a new value waits for its group, or for its own proof: 16 to 32 s, growing from 0.2 s on. */
  foundingPauses: 7,
  /**
   * New Sprites, which are disks that cost money. A new jazz-tools user with one project founds about seven homes: so a
   * client, which may be an office, brings 17 new users an hour. Fly makes 3,600 an hour at the most. 10,000 disks of 1 GB are
   * what a deployment costs that nobody looks after. `SPRITE_CAPS` sets others.
   */
  spriteCaps: {
    "client-hour": 120,
    "client-day": 500,
    "key-hour": 600,
    "key-day": 2_000,
    hour: 1_000,
    day: 3_000,
    total: 10_000,
  },
  /** Ids that one session's new values may wait for at once. An app has one account and a few groups on their way. */
  foundingNeeds: 256,
  /** Addresses cached in one isolate. */
  locatorCacheEntries: 10_000,
  /** KV's smallest `cacheTtl` (facts/cloudflare §3). */
  kvCacheTtlSeconds: 30,

  /** What one invocation of the Worker may use, as wrangler.toml sets it: a browser's socket is one invocation for life. */
  invocationCpuMs: 300_000,
  invocationSubrequests: 1_000_000,
  /** A session ends when it has used this part of either and nothing is on its way; past the second part in any case. */
  retireWhenQuiet: 0.5,
  retireAtAnyRate: 0.8,
  /** Nothing came or went for so long: nobody notices a new connection now. */
  quietMs: 2_000,
  /** How often an isolate looks whether it is drained, and over how long its sessions then go. */
  drainReadMs: 60_000,
  drainSpreadMs: 300_000,

  /** A pass lives just long enough for a slow dial on a host whose clock is a little off. */
  passTtlSeconds: 120,
  /** The Sprite's clock may lag for seconds after a resume (facts/fly-machines §2.5). */
  passClockToleranceSeconds: 30,

  /** Default idle time before a Sprite sleeps. */
  sleepAfterSeconds: 30,
  /** Pause before a Sprite's storage that did not open is tried again; doubles up to the second one. */
  storageRetryMs: 250,
  storageRetryMaxMs: 5_000,
  /** An upstream without a frame for this long is dead; Sprites ping every `pingIntervalMs`. */
  upstreamSilenceMs: 15_000,
  /** How long an ordered shutdown may take; below the 10 s of the Machine's stop_config. */
  shutdownMs: 8_000,
  /** What a shutdown leaves for a last backup: with the stores that are waited for, it must fit into `shutdownMs`. */
  backupAtStopMs: 2_000,
  /** How long a backup may keep a Sprite awake that could sleep. What is not done then is done by the next period. */
  backupAwakeMs: 300_000,
  /**
   * How long others may have to wait on a Sprite for a new value, until all that its author wrote of it has come. Longer than
   * the author's browser takes to answer what the Sprite asks it for; not so long that somebody gives up.
   */
  catchUpMs: 2_000,
  /** How long content waits on a Sprite for the group that owns it before it is refused. */
  ownerWaitMs: 30_000,
  /**
   * Values in the digest that a sleeping Sprite leaves with its coordinator: 27 characters each, so 540 KB, which fits the
   * 2 MB that one key of a Durable Object may hold (facts/cloudflare §2.4).
   */
  digestValues: 20_000,
  /**
   * How long a digest is believed. A disk may be lost while its Sprite sleeps; whoever comes back after this time wakes it,
   * and so finds out while there still is somebody who has what was on it.
   */
  digestTrustMs: 7 * 24 * 3_600_000,
  /** How long a Sprite that falls asleep may work on its digest. Its upstreams are deaf meanwhile. */
  digestMs: 1_000,
  /** How long the edge may take to hear of the digest of a Sprite that nobody is attached to. Who comes now has to wait. */
  lastWordMs: 2_000,
  /** How long a client's load waits for the coordinator to say whether its home has to be woken for it. */
  unchangedTimeoutMs: 3_000,
  /**
   * Sessions a second that attach to a Sprite that woke, when those have nothing to send: each costs it a signature to check
   * and a known state for each value that it follows, a millisecond or two on a shared CPU.
   */
  watchersPerSecond: 500,
  /** The longest that a session without anything to send waits to attach; less than the default time to fall asleep. */
  watcherSpreadMaxMs: 15_000,
  /** Messages of one upstream that wait on a Sprite for a group that owns them. */
  heldChars: 8 * 1024 * 1024,
  /**
   * What one upstream, and all together, may have a Sprite's node remember, in characters of their messages: about five bytes
   * each. 8 Mi are 30,000 followed values; 16 Mi are 80 MB of the 256 that a Sprite has.
   */
  rememberedChars: 8 * 1024 * 1024,
  rememberedByAllChars: 16 * 1024 * 1024,
  /** What authors without a role may store in one Sprite, KiB, and how many values they may create: the defaults. */
  strangerKb: 1_024,
  strangerValues: 100,
  /** What the store of one Sprite may take of its disk, MiB for each GB of it: the rest is for the disk's own work and backups. */
  memberMb: 800,
} as const;

/** Private close codes (RFC 6455 §7.4.2: 4000-4999 are for applications). */
export const CLOSE = {
  /** A Sprite to the edge: nothing happened for a while, I sleep now; everything I had to say was said. */
  asleep: 4900,
  /**
   * A Sprite to the edge: I stop (redeploy, SIGTERM); attach again. The edge to a browser: connect anew. RFC 6455 registry
   * "service restart".
   */
  restart: 1012,
  /** "Try again later". */
  overloaded: 1013,
} as const;
