import type { LocalNode } from "cojson";

export interface ConnectionState {
  /** `connecting` until the first success, `reconnecting` after a loss. */
  readonly link: "connecting" | "connected" | "reconnecting";
  /** Whether the server has acknowledged every change made on this device. */
  readonly saved: boolean;
}

/** What `createJazzBrowserContext` returns, as far as the connection goes. */
interface ConnectionSource {
  readonly node: LocalNode;
  addConnectionListener(listener: (connected: boolean) => void): () => void;
}

/** One observable state out of jazz-tools' two sources: the socket, and cojson's list of unacknowledged values. */
export class Connection {
  private current: ConnectionState = { link: "connecting", saved: true };
  private readonly listeners = new Set<(state: ConnectionState) => void>();

  constructor(source: ConnectionSource) {
    source.addConnectionListener((connected) => {
      if (connected) this.update({ link: "connected" });
      else if (this.current.link === "connected") this.update({ link: "reconnecting" });
    });
    source.node.syncManager.unsyncedTracker.subscribe((saved) => this.update({ saved }));
  }

  get state(): ConnectionState {
    return this.current;
  }

  /** Calls `listener` now and after every change. */
  subscribe(listener: (state: ConnectionState) => void): () => void {
    this.listeners.add(listener);
    listener(this.current);
    return () => this.listeners.delete(listener);
  }

  whenConnected(): Promise<void> {
    if (this.current.link === "connected") return Promise.resolve();
    return new Promise((resolve) => {
      const listener = (state: ConnectionState) => {
        if (state.link !== "connected") return;
        this.listeners.delete(listener);
        resolve();
      };
      this.listeners.add(listener);
    });
  }

  private update(change: Partial<ConnectionState>): void {
    const next = { ...this.current, ...change };
    if (next.link === this.current.link && next.saved === this.current.saved) return;
    this.current = next;
    for (const listener of [...this.listeners]) listener(next);
  }
}
