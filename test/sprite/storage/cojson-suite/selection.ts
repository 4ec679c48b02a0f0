/** Files of cojson/src/tests that use a storage. */
export const SUITES = [
  "StorageApiAsync",
  "sync.storageAsync",
  "sync.storage",
  "sync.storageReconciliation",
  "deleteCoValue",
  "sync.deleted",
  "knownState.lazyLoading",
  "sync.localStoreDurability",
  "sync.garbageCollection",
  "GarbageCollector",
  "SyncStateManager",
  "sync.concurrentLoad",
  "sync.load",
  "sync.mesh",
  "sync.peerReconciliation",
  "sync.tracking",
] as const;

/** A test that cannot say anything about our storage, and why. */
export interface ExcludedTest {
  readonly suite: (typeof SUITES)[number];
  readonly title: string;
  readonly reason: string;
}

const PLANTS_ROWS = "plants rows in SQLite tables while it runs";
const SYNCHRONOUS = "expects a storage that has stored and answered before the call returns (StorageApiSync)";
const INTERLEAVING = "its snapshot is how StorageApiSync interleaves a stream with other messages";

export const EXCLUDED_TESTS: readonly ExcludedTest[] = [
  {
    suite: "StorageApiAsync",
    title:
      "should handle close while pushing multiple transactions on different coValues with an invalid assumption",
    reason: "its snapshot shows that close() drops what is queued; ours writes it (docs/storage.md)",
  },
  {
    suite: "StorageApiAsync",
    title: "background erasure runs if enabled",
    reason: "awaits only a fake clock, which does not wait for a disk; erasing.test.ts has it on a real one",
  },
  {
    suite: "sync.storageAsync",
    title: "TOCTOU: extra transaction at idx=lastIdx does not cause InvalidSignature",
    reason: PLANTS_ROWS,
  },
  {
    suite: "sync.storageAsync",
    title:
      "TOCTOU: concurrent write between getCoValueSessions and getNewTransactionInSession does not cause InvalidSignature",
    reason: PLANTS_ROWS,
  },
  {
    suite: "sync.load",
    title: "coValue load throws on invalid id",
    reason: "its snapshot holds the source text of a function as their compiler prints it; no storage in it",
  },
  ...list("sync.localStoreDurability", SYNCHRONOUS, [
    "sync storage invokes done synchronously",
    "does not fire with synchronous storage",
  ]),
  ...list("sync.mesh", SYNCHRONOUS, [
    "edge must subscribe to core when handling client LOAD with lazy loading",
  ]),
  ...list("sync.storage", SYNCHRONOUS, [
    "sessions with invalid assumptions should not be attempted to be stored",
    "sessions with invalid signatures should not be attempted to be stored",
    "should store values with no transactions",
    "multiple CoValues can stream concurrently",
  ]),
  ...list("sync.storageReconciliation", SYNCHRONOUS, [
    "startStorageReconciliation sends 'reconcile' message, server responds with 'load' messages for missing CoValues",
    "startStorageReconciliation sends 'reconcile' message, server responds with 'load' messages for outdated CoValues",
    "pendingReconciliationAck is cleared when 'reconcile-ack' is received",
    "in-memory CoValues are not reconciled",
    "full storage reconciliation is run when adding a new persistent server peer",
    "reconciliation is run for the same peer after reconciliation interval passes",
    "after successful completion, next due run starts from the beginning",
  ]),
  ...list("sync.garbageCollection", INTERLEAVING, [
    "syncing a coValue that was removed by the garbage collector",
  ]),
  ...list("sync.load", INTERLEAVING, [
    "handleNewContent loads large CoValue from storage when garbage-collected",
    "handleNewContent loads CoValue from storage when group is large and garbage-collected",
    "handleNewContent loads CoValue from storage when parent group is large and garbage-collected",
  ]),
  ...list("sync.mesh", INTERLEAVING, [
    "large coValue streaming from an edge to the core server and a client at the same time",
  ]),
  ...list("sync.storage", INTERLEAVING, ["large parent group streaming from storage"]),
];

function list(suite: ExcludedTest["suite"], reason: string, titles: readonly string[]): ExcludedTest[] {
  return titles.map((title) => ({ suite, title, reason }));
}
