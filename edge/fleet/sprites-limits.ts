/**
 * Times of the Sprites client, milliseconds unless the name says otherwise. No call is without a limit: a Sprite whose disk
 * hangs answers nothing for ever and still says that it runs (facts/fly-sprites §8).
 */
export const SPRITES_LIMITS = {
  /** A read or a small change. */
  callMs: 10_000,
  /** A create call; its outcome is looked up when it does not answer. Others wait up to 300 s; clients cannot. */
  createMs: 30_000,
  /** The upload of a release (some megabytes) and its unpacking. */
  installMs: 30_000,
  /** How long the answer about a service's start is followed: it ends with an error when the server ends before. */
  serviceSeconds: 1,
  /** One request that asks whether a Sprite answers. With nobody behind the address it would hang (§3). */
  probeMs: 5_000,
  /** All of one `wake` but its last step; below `LIMITS.locateTimeoutMs` so that the caller gets our error, not its own. */
  wakeMs: 45_000,
  /** How long a Sprite may not answer before it is restarted, once: a cold boot takes 1 to 2 s and our start half of one. */
  restartAfterMs: 20_000,
  /** Pause between probes; doubles up to `reprobeMaxMs`. */
  reprobeMs: 250,
  reprobeMaxMs: 2_000,
  /** A 404 is believed when it was said this often, with these pauses, and the list agrees (§8). */
  goneLooks: 3,
  gonePauseMs: 1_000,
  /** Rounds of one `ensure`: each looks first, so that more rounds never make more Sprites. */
  ensureRounds: 4,
  ensurePauseMs: 1_000,
  /** When a 429 names no time. */
  ratePauseMs: 2_000,
  /** How long a group waits for a slot before it asks again; a slot comes free 30 to 80 s after its Sprite was asked (§4). */
  slotPauseMs: 5_000,
  /** How often and with which pauses a server is asked whether it has stored everything, before it is replaced. */
  quietLooks: 5,
  quietPauseMs: 1_000,
  /** Running Sprites that are asked how long they have been idle, and how many of them at once (six connects may wait). */
  idleCandidates: 20,
  idleAsksAtOnce: 5,
  idleAskMs: 3_000,
  /** A question is a visit, and each visit puts off the platform's pause by 30 to 80 s (§4): nobody is asked twice in that. */
  askAgainMs: 90_000,
  /** Pages of the list that are read to find them: an organization may have thousands. */
  idlePages: 10,
  /** Sprites in one page of a list: the documented maximum. */
  listPage: 50,
} as const;
