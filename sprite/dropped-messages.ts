import type { LocalNode, SyncMessage } from "cojson";

/** What cojson's node handles of a peer about one CoValue. */
export type ValueMessage = Extract<SyncMessage, { action: "load" | "known" | "content" | "done" }>;

/**
 * Tells which messages cojson's node has dropped without an answer to the peer. cojson 0.20.19 does that, with a line in its
 * log, when it throws, when a CoValue's header does not pass its native core, and for CoValues of which it has given a peer
 * up (`handleSyncMessage` and `handleNewContent` in `sync.ts`).
 */
export class DroppedMessages {
  readonly #listeners = new Map<string, (message: ValueMessage) => void>();

  /** Changes `node`: it handles messages through this from now on. */
  constructor(node: LocalNode) {
    const { syncManager } = node;
    const handle = syncManager.handleSyncMessage.bind(syncManager);
    syncManager.handleSyncMessage = (message, peer) => {
      const listener = this.#listeners.get(peer.id);
      if (!listener || !isAboutValue(message)) {
        handle(message, peer);
        return;
      }
      let isDropped =
        node.isCoValueInMemory(message.id) && node.getCoValue(message.id).isErroredInPeer(peer.id);
      try {
        handle(message, peer);
        isDropped ||= isUntaken(node, message);
      } catch (error) {
        isDropped = true;
        throw error;
      } finally {
        if (isDropped) listener(message);
      }
    };
  }

  /** Calls `listener` with each message of this peer that is dropped, until the returned function is called. */
  listen(peerId: string, listener: (message: ValueMessage) => void): () => void {
    this.#listeners.set(peerId, listener);
    return () => this.#listeners.delete(peerId);
  }
}

function isAboutValue(message: SyncMessage): message is ValueMessage {
  return message.action !== "reconcile" && message.action !== "reconcile-ack";
}

/** Content that brought its header, after which the CoValue is neither there nor waits for what it depends on. */
function isUntaken(node: LocalNode, message: ValueMessage): boolean {
  if (message.action !== "content" || !message.header) return false;
  const core = node.getCoValue(message.id);
  return !core.hasVerifiedContent() && !core.hasMissingDependencies();
}
