import { isMarkId } from "../../../edge/marks.ts";
import type { SpriteSocket } from "../../../edge/upstream-deps.ts";
import type { CoValueId, GroupId } from "../../../shared/ids.ts";
import type { Claim, Content, Reconcile } from "./node-model.ts";
import { POOL, poolValue } from "./values.ts";
import type { World } from "./world.ts";

type Cause = "client" | "told" | "placed" | "learnt" | "lost" | "owed" | "none";

interface Home {
  cause: Cause;
  /** Why the present socket was dialled. */
  attachedFor: Cause;
  /** How the last socket ended; `undefined` while there is one, or before the first. */
  closedWith: number | undefined;
  /** Dials in a row that only `owed` explains. */
  owed: number;
  socket: SpriteSocket | undefined;
  ended: boolean;
}

/** Why one session dials: every wake of a Sprite must have a reason. Watches the session from outside. */
export class Trail {
  readonly #world: World;
  readonly #homes = new Map<GroupId, Home>();

  readonly #name: string;

  constructor(world: World, name: string) {
    this.#world = world;
    this.#name = name;
  }

  /** The client's frame reaches the session. */
  clientSent(frame: string): void {
    for (const text of frame.split("\n")) {
      const message: Content | Claim | Reconcile = JSON.parse(text);
      if (message.action === "reconcile") {
        for (const [id] of message.values) this.#asks(poolValue(id).home);
      } else if (isRequest(message) && !isMarkId(message.id)) {
        this.#asks(poolValue(message.id).home);
      }
    }
  }

  told(home: GroupId): void {
    this.#because(home, "told");
  }

  placed(home: GroupId): void {
    this.#because(home, "placed");
  }

  causeOfDial(home: GroupId): Cause {
    return this.#of(home).cause;
  }

  dials(home: GroupId): void {
    const of = this.#of(home);
    if (of.socket && !of.ended) this.#world.fail("a session dials a Sprite that it has a socket to");
    if (of.cause === "none" && of.closedWith !== undefined)
      of.cause = of.closedWith === 4900 ? "owed" : "lost";
    if (of.cause === "none") this.#world.fail(`a session dials ${home} for no reason`);
    if (of.cause === "owed" && of.closedWith !== undefined) {
      of.owed++;
      this.#world.count("dial because something is owed");
      if (of.owed > 2) this.#world.fail(`${of.owed} dials in a row because something is owed`);
    }
    of.closedWith = undefined;
    this.#world.trace(() => `  session of ${this.#name} dials ${home.slice(4, 9)}: ${of.cause}`);
  }

  attached(home: GroupId): void {
    const of = this.#of(home);
    this.#world.count(`attach: ${of.cause}`);
    of.attachedFor = of.cause;
    of.cause = "none";
  }

  /** The socket as the upstream gets it, so that its end is seen. */
  follow(home: GroupId, socket: SpriteSocket): SpriteSocket {
    const of = this.#of(home);
    of.socket = socket;
    of.ended = false;
    let used = false;
    return {
      period: socket.period,
      send: (frame) => {
        this.#world.traceFrame(`  ${this.#name} → ${home.slice(4, 9)}`, frame);
        socket.send(frame);
      },
      close: (code, reason) => {
        this.#ends(of, 1006);
        socket.close(code, reason);
      },
      listen: ({ onFrame, onClose }) => {
        socket.listen({
          onFrame: (frame) => {
            this.#world.traceFrame(`  ${this.#name} ← ${home.slice(4, 9)}`, frame);
            this.#learns(home, String(frame));
            onFrame(frame);
          },
          onClose: (code) => {
            this.#ends(of, code);
            if (!used) {
              // What it was dialled for is still to be done.
              this.#world.count("closed before it was used");
              of.closedWith = undefined;
              of.cause = of.attachedFor;
            }
            onClose(code);
          },
        });
        used = true;
      },
    };
  }

  /** What a Sprite sends of another one's value may be more than that one has. */
  #learns(from: GroupId, frame: string): void {
    for (const text of frame.split("\n")) {
      if (!text.startsWith('{"action":"content"')) continue;
      const { home } = poolValue((JSON.parse(text) as Content).id);
      if (home !== from) this.#because(home, "learnt");
    }
  }

  #ends(of: Home, code: number): void {
    if (of.ended) return;
    of.ended = true;
    this.#world.trace(() => `  ${this.#name}: an upstream ended with ${code}`);
    of.closedWith = code;
    of.socket = undefined;
  }

  #asks(home: GroupId): void {
    this.#of(home).owed = 0;
    this.#because(home, "client");
  }

  #because(home: GroupId, cause: Cause): void {
    const of = this.#of(home);
    // While a socket is open nothing has to be dialled.
    if (!of.socket) of.cause = cause;
  }

  #of(home: GroupId): Home {
    const of = this.#homes.get(home) ?? {
      cause: "none",
      attachedFor: "none",
      closedWith: undefined,
      owed: 0,
      socket: undefined,
      ended: true,
    };
    this.#homes.set(home, of);
    return of;
  }
}

/** What may wake a Sprite: also that the client lacks what the Sprite asked for, which a reconciliation may wait for. */
function isRequest(message: Content | Claim): boolean {
  if (message.action === "known") return message.isCorrection === true || !message.header;
  return message.action === "load" || message.action === "content";
}

export function isAccount(id: CoValueId): boolean {
  return POOL.accounts.some((account) => account.id === id);
}
