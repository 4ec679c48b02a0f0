/** What the edge says of a group's server, its Sprite. */
export type SpriteState = "awake" | "waking" | "asleep";

type Listener = (state: SpriteState | undefined) => void;

/** The Sprites of all groups that this page follows, as the edge tells of them; one of them is looked at. */
export class Sprites {
  private readonly states = new Map<string, SpriteState>();
  private readonly listeners = new Set<Listener>();
  private home: string | undefined;
  private shown: SpriteState | undefined;

  /** A frame of the server: cojson messages, and between them what is said of Sprites. */
  hear(frame: string): void {
    for (const line of frame.split("\n")) {
      const told = parseSpriteMessage(line);
      if (told) this.states.set(told.home, told.state);
    }
    this.update();
  }

  /** The connection is gone: nothing is known any more. */
  forget(): void {
    this.states.clear();
    this.update();
  }

  /** Looks at the Sprite of this group, or at none. */
  lookAt(home: string | undefined): void {
    this.home = home;
    this.update();
  }

  /** Calls `listener` now and after every change of what is looked at. `undefined`: nothing is known, or nothing looked at. */
  subscribe(listener: Listener): void {
    this.listeners.add(listener);
    listener(this.shown);
  }

  private update(): void {
    const next = this.home === undefined ? undefined : this.states.get(this.home);
    if (next === this.shown) return;
    this.shown = next;
    for (const listener of this.listeners) listener(next);
  }
}

/**
 * Lets `sprites` hear what arrives on the sockets that jazz-tools opens. There is no way to ask it for them; they are the
 * browser's own in everything else.
 */
export function listenToSockets(page: { WebSocket: typeof WebSocket }, sprites: Sprites): void {
  let newest: WebSocket | undefined;
  page.WebSocket = class extends page.WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      this.addEventListener("message", ({ data }) => typeof data === "string" && sprites.hear(data));
      this.addEventListener("close", () => newest === this && sprites.forget());
      newest = this;
    }
  };
}

const STATES: readonly string[] = ["awake", "waking", "asleep"] satisfies SpriteState[];

/** @returns what a message says of a Sprite; `undefined` for every other message. */
export function parseSpriteMessage(text: string): { home: string; state: SpriteState } | undefined {
  // Contents can be large: they are not parsed for this.
  if (!text.startsWith('{"type":"sprite"')) return undefined;
  const { home, state } = JSON.parse(text) as { home?: unknown; state?: unknown };
  return typeof home === "string" && STATES.includes(String(state))
    ? { home, state: state as SpriteState }
    : undefined;
}
