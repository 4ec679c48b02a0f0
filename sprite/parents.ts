import type { CoValueCore, PeerState, SyncMessage } from "cojson";
import { WebSocketPeerWithReconnection } from "cojson-transport-ws";
import WebSocket from "ws";
import { isCoValueId } from "../shared/ids.ts";
import type { Log } from "../shared/log.ts";
import { PASS_HEADER } from "../shared/pass.ts";
import type { Home } from "./home.ts";

/** First wait before a reconnect; cojson-transport-ws adds it up with each failure. */
const RECONNECT_MS = 1_000;

export interface ParentsDeps {
  readonly home: Home;
  /** The edge's address for clients. */
  readonly syncUrl: string;
  /** A new pass for the edge, which asks other clients for theirs and counts their connections. */
  readonly pass: () => Promise<string>;
  readonly log: Log;
  readonly onActivity: () => void;
}

/**
 * Follows, as a client of the edge, the parent groups of other homes that are stored here: a member that was removed
 * there must lose access here as well (design §3.5). Nothing else is followed.
 *
 * The node asks {@link select} which server to sync a CoValue with, for every content it handles; that is also how this
 * learns that there is something to follow. It connects then, and stays connected until the Sprite sleeps.
 */
export class Parents {
  private readonly deps: ParentsDeps;
  private connection: WebSocketPeerWithReconnection | undefined;
  private closed = false;

  constructor(deps: ParentsDeps) {
    this.deps = deps;
    deps.home.node.syncManager.serverPeerSelector = (id, servers) => this.select(id, servers);
  }

  close(): void {
    this.closed = true;
    this.connection?.disable();
  }

  private select(id: CoValueCore["id"], servers: PeerState[]): PeerState[] {
    if (this.closed || !this.isFollowed(id)) return [];
    this.connect();
    return servers;
  }

  /** A foreign group; or something unknown that one of them needs, such as the account of a new member. */
  private isFollowed(id: CoValueCore["id"]): boolean {
    const { node, residence } = this.deps.home;
    if (!node.isCoValueInMemory(id)) return false;
    const core = node.getCoValue(id);
    if (core.isAvailable()) return residence.isForeignGroup(core);
    if (isCoValueId(id) && residence.isKnownResident(id)) return false;
    for (const dependant of core.dependant) {
      if (residence.isForeignGroup(node.getCoValue(dependant))) return true;
    }
    return false;
  }

  private connect(): void {
    if (this.connection) return;
    const { home, syncUrl, pass, log, onActivity } = this.deps;
    const { syncManager } = home.node;
    log.info({}, "following parent groups of other homes through the edge");
    this.connection = new WebSocketPeerWithReconnection({
      peer: syncUrl,
      reconnectionTimeout: RECONNECT_MS,
      WebSocketConstructor: withPass(pass),
      addPeer: (peer) => {
        const { incoming, outgoing } = peer;
        const listen = incoming.onMessage.bind(incoming);
        incoming.onMessage = (callback) =>
          listen((message: SyncMessage | "Disconnected") => {
            // A lost connection is no activity, or an edge that is away would keep the Sprite awake.
            if (message !== "Disconnected") onActivity();
            callback(message);
          });
        // Without cojson's reconciliation: it would ask the edge for everything in memory that is not loaded.
        syncManager.addPeer({ ...peer, incoming, outgoing }, true);
        this.subscribe(syncManager.peers[peer.id]);
      },
      removePeer: (peer) => syncManager.removePeer(peer.id),
    });
    // Not within the node's own run, which is going through its list of servers.
    queueMicrotask(() => !this.closed && this.connection?.enable());
  }

  private subscribe(edge: PeerState | undefined): void {
    if (!edge) return;
    for (const core of this.deps.home.node.allCoValues()) {
      if (this.isFollowed(core.id)) edge.sendLoadRequest(core, "low-priority");
    }
  }
}

/** Sockets whose upgrades carry a pass, made when each of them is opened: reconnects happen hours later. */
function withPass(pass: () => Promise<string>) {
  return class extends WebSocket {
    constructor(url: string) {
      super(url, {
        finishRequest: (request) => {
          pass().then(
            (token) => request.setHeader(PASS_HEADER, token).end(),
            (error: Error) => request.destroy(error),
          );
        },
      });
    }
  };
}
