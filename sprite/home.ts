import { type CoValueCore, type CryptoProvider, LocalNode, type PeerState, type StorageAPI } from "cojson";
import type { CoValueId, GroupId } from "../shared/ids.ts";
import { emptyKnownState, type KnownState } from "../shared/known-state.ts";
import { LIMITS } from "../shared/limits.ts";
import { CatchUps } from "./catch-ups.ts";
import { ChargeReview } from "./charge-review.ts";
import type { SpriteCrypto } from "./crypto.ts";
import { DroppedMessages } from "./dropped-messages.ts";
import type { KeyCheck } from "./key-check.ts";
import { Memory } from "./memory-share.ts";
import type { Quota } from "./quota.ts";
import { Residence } from "./residence.ts";
import { Standing } from "./standing.ts";
import { followStores, type StoreLedger } from "./store-ledger.ts";
import { Touched } from "./touched.ts";

type RawCoID = CoValueCore["id"];
type CoValueHeader = NonNullable<CoValueCore["verified"]>["header"];

/** How often a load from the disk is looked at, whether it has got stuck. */
const LOAD_CHECK_MS = 250;

/** cojson brands its ids as a template type; ours have passed a stricter check. */
export function rawId(id: CoValueId): RawCoID {
  return id as string as RawCoID;
}

/** The CoValues of one home: cojson's node on its storage, and who lives here. */
export interface Home {
  readonly node: LocalNode;
  readonly ledger: StoreLedger;
  readonly residence: Residence;
  readonly dropped: DroppedMessages;
  /** Of a Sprite behind the edge; clients themselves have no say in what others see. */
  readonly catchUps: CatchUps | undefined;
  /** Which keys its crypto can read. */
  readonly keys: KeyCheck;
  /** What its digest will tell when the Sprite falls asleep. */
  readonly touched: Touched;
  /** What its upstreams have the node remember. */
  readonly memory: Memory;
  /** Who writes here with a role. */
  readonly standing: Standing;
  /** What those without one may store. */
  readonly quota: Quota;
  /** Calls `listener` each time strangers may have become members, until the returned function is called. */
  onMembersChanged(listener: () => void): () => void;
  isInMemory(id: CoValueId | RawCoID): boolean;
  /** Whether the node takes a new CoValue with this header, which hashes to the id: it would drop it without an answer. */
  takesHeader(id: CoValueId, header: CoValueHeader): boolean;
  /** The CoValue, brought to memory if it is on disk; `undefined` if it is not, or if something it needs is missing. */
  load(id: CoValueId): Promise<CoValueCore | undefined>;
  /** What is on disk of a CoValue; empty when it is not stored. */
  durableState(id: CoValueId): Promise<KnownState>;
  /** Gets a CoValue from the disk, else from a peer, and waits until it is in memory. Rejects when `signal` aborts. */
  fetch(id: CoValueId, peer: PeerState, signal: AbortSignal): Promise<CoValueCore>;
  /** Waits until a CoValue is in memory, however it gets there. Rejects when `signal` aborts. */
  available(id: CoValueId, signal: AbortSignal): Promise<CoValueCore>;
  /** Stops the node and closes the storage. Stores that have begun are finished first, as the storage promises. */
  close(): Promise<void>;
}

/**
 * @param home whose CoValues live here; `undefined` for all.
 * @param storage open; from now on this home's alone.
 * @param quota of this store.
 */
export function openHome(
  home: GroupId | undefined,
  storage: StorageAPI,
  crypto: SpriteCrypto,
  quota: Quota,
): Home {
  const node = createNode(crypto.provider);
  const touched = new Touched(LIMITS.digestValues);
  const followed = followStores(touched.follow(storage));
  node.setStorage(followed.storage);
  node.enableGarbageCollector();
  node.enableDeletedCoValuesErasure();
  const standing = new Standing(home, node, (id) => quota.isStrangers(id));
  const review = new ChargeReview(node, followed.ledger, quota, standing);

  const available: Home["available"] = (id, signal) => {
    return new Promise((resolve, reject) => {
      const core = node.getCoValue(rawId(id));
      if (core.isAvailable()) return resolve(core);
      const giveUp = () => {
        unsubscribe();
        reject(signal.reason);
      };
      const unsubscribe = core.subscribe((current) => {
        if (!current.isAvailable()) return;
        unsubscribe();
        signal.removeEventListener("abort", giveUp);
        resolve(current);
      }, false);
      if (signal.aborted) giveUp();
      else signal.addEventListener("abort", giveUp, { once: true });
    });
  };

  return {
    node,
    isInMemory(id) {
      const raw = id as RawCoID;
      // Asking the node for a CoValue it has never seen would make an entry for it, for ever.
      return node.isCoValueInMemory(raw) && node.getCoValue(raw).isAvailable();
    },
    ledger: followed.ledger,
    residence: new Residence(home, node),
    dropped: new DroppedMessages(node),
    catchUps: home === undefined ? undefined : new CatchUps(),
    takesHeader(id, header) {
      try {
        crypto.provider.createSessionMap(rawId(id), JSON.stringify(header));
        return true;
      } catch {
        return false;
      }
    },
    keys: crypto.keys,
    touched,
    standing,
    memory: new Memory(),
    quota,
    onMembersChanged: (listener) => review.onChanged(listener),
    available,
    load(id) {
      const core = node.getCoValue(rawId(id));
      if (core.isAvailable()) return Promise.resolve(core);
      return new Promise((resolve) => {
        const finish = () => {
          clearInterval(watch);
          const loaded = node.getCoValue(rawId(id));
          resolve(loaded.isAvailable() ? loaded : undefined);
        };
        // cojson never calls back while what it loads waits for a dependency that is not on disk.
        const watch = setInterval(() => core.hasMissingDependencies() && finish(), LOAD_CHECK_MS);
        if (core.hasMissingDependencies()) finish();
        else core.loadFromStorage(finish);
      });
    },
    durableState(id) {
      return new Promise((resolve) => {
        storage.loadKnownState(id, (state) => resolve(state ?? emptyKnownState()));
      });
    },
    fetch(id, peer, signal) {
      const core = node.getCoValue(rawId(id));
      core.load([...node.syncManager.getServerPeers(core.id), peer], "immediate");
      return available(id, signal);
    },
    async close() {
      await node.gracefulShutdown();
    },
  };
}

/** A node that never writes: its agent is new with every start and signs nothing. */
function createNode(crypto: CryptoProvider): LocalNode {
  const secret = crypto.newRandomAgentSecret();
  return new LocalNode(secret, crypto.newRandomSessionID(crypto.getAgentID(secret)), crypto);
}
