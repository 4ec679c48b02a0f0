import { LRUCache } from "lru-cache";
import { attachSprite } from "../../../edge/attach.ts";
import type { CreationProofs } from "../../../edge/creation-proof.ts";
import { Directory } from "../../../edge/directory.ts";
import { greeted } from "../../../edge/greet.ts";
import {
  IsolateBudget,
  type IsolateMemory,
  SHARE_REMEMBERED,
  SHARE_WAITING,
} from "../../../edge/isolate-budget.ts";
import { Locator } from "../../../edge/locator.ts";
import { Session } from "../../../edge/session.ts";
import type { FreshPlace, SpritePlace } from "../../../edge/sprite-place.ts";
import type { SpriteSocket } from "../../../edge/upstream-deps.ts";
import { Wants } from "../../../edge/wants.ts";
import { watchSprite } from "../../../edge/watch.ts";
import { SpriteSyncError } from "../../../shared/errors.ts";
import type { CoValueId, GroupId } from "../../../shared/ids.ts";
import { LIMITS } from "../../../shared/limits.ts";
import type { CoordinatorHost } from "./control-plane.ts";
import { type End, Link } from "./network.ts";
import { silent } from "./silent.ts";
import { Trail } from "./trail.ts";
import type { World } from "./world.ts";

const UNSIGNED: CreationProofs = {
  learn: () => undefined,
  mayProve: () => true,
  prove: async () => ({ kind: "proven" }),
};

/** One isolate of the edge: its caches, and its sessions, which all end with it. */
export class Isolate {
  readonly #world: World;
  readonly #homes = new LRUCache<CoValueId, GroupId>({ max: 8 });
  readonly #places = new LRUCache<GroupId, SpritePlace>({ max: 3 });
  readonly #flights = new Map<GroupId, Promise<SpritePlace>>();
  readonly sessions = new Set<SessionHost>();
  readonly memory: IsolateMemory;

  constructor(world: World) {
    this.#world = world;
    this.memory = {
      waiting: new IsolateBudget(world.isolateBytes, LIMITS.forgetSessionMs, SHARE_WAITING),
      remembered: new IsolateBudget(LIMITS.isolateRememberedBytes, LIMITS.forgetSessionMs, SHARE_REMEMBERED),
    };
  }

  /** A browser's upgrade. */
  accept(client: End, name: string): SessionHost {
    const shared = {
      cache: this.#homes,
      places: this.#places,
      flights: this.#flights,
      memory: this.memory,
    };
    const host = new SessionHost(this.#world, client, name, shared, () => this.sessions.delete(host));
    this.sessions.add(host);
    return host;
  }

  /** Evicted or redeployed: everything stops in the middle of what it does. */
  kill(): void {
    for (const host of this.sessions) host.kill();
    this.sessions.clear();
  }
}

interface Shared {
  readonly cache: LRUCache<CoValueId, GroupId>;
  readonly places: LRUCache<GroupId, SpritePlace>;
  readonly flights: Map<GroupId, Promise<SpritePlace>>;
  readonly memory: IsolateMemory;
}

/** A real session with its sockets, calls and timers in the simulated world. */
export class SessionHost {
  readonly #world: World;
  readonly session: Session;
  readonly trail: Trail;
  readonly client: End;
  /** What it has open: sockets to Sprites and Durable Objects. */
  readonly #sockets = new Set<End>();
  readonly #ended = new AbortController();
  #alive = true;

  constructor(world: World, client: End, name: string, shared: Shared, onEnd: () => void) {
    this.#world = world;
    this.client = client;
    this.trail = new Trail(world, name);
    const clock = world.scheduler.clock(() => this.#alive);
    const { variant } = world;
    const locator = new (variant.Locator ?? Locator)({
      coordinator: (home) => ({
        locate: (of, fresh) =>
          this.#callCoordinator(home, async (host) => {
            world.trailOfWake(home, this.trail.causeOfDial(home));
            return host.coordination.locate(of as GroupId, fresh);
          }),
        met: (period) => this.#callCoordinator(home, (host) => host.coordination.met(period)),
        fellAsleep: (boot, digest) =>
          this.#callCoordinator(home, (host) => host.coordination.fellAsleep(boot, digest)),
        unchanged: (records) => this.#callCoordinator(home, (host) => host.unchanged(records)),
      }),
      kv: { get: (key) => this.#call(async () => world.kv.get(key)) },
      places: shared.places,
      flights: shared.flights,
      clock,
    });
    const shard = () => ({
      lookup: (ids: string[]) => this.#callShard(() => world.shards.lookup(ids)),
      register: (homes: Record<string, string>) => this.#callShard(() => world.shards.register(homes)),
    });
    this.session = new Session({
      client: {
        send: (frame) => {
          if (this.#alive) client.send(frame);
        },
        close: (code) => world.fail(`the edge closed a client's socket with ${code}`),
      },
      dc: "sim",
      directory: new (variant.Directory ?? Directory)({ shard, log: silent, cache: shared.cache, clock }),
      policy: "root",
      // The values of this world are not signed.
      proofs: UNSIGNED,
      dial: async (home, fresh) => {
        this.trail.dials(home);
        const dial = (place: SpritePlace) => this.#dial(home, place);
        const socket = await attachSprite(home, fresh, { locator, dial, ended: this.#ended.signal });
        this.trail.attached(home);
        return this.trail.follow(home, socket);
      },
      watch: (home, boot, onAwake, pause) =>
        watchSprite({
          connect: () =>
            this.#callCoordinator(
              home,
              (host) => this.#open((server) => host.watch(boot, server)),
              world.controlDelay,
            ),
          onAwake: () => {
            this.trail.told(home);
            onAwake();
          },
          pause,
          clock,
        }),
      unchanged: async (home, records) => {
        const boot = await locator.unchanged(home, records);
        world.count(boot === undefined ? "asked whether a home has to be woken" : "a home was not woken");
        return boot;
      },
      wants: (onPlaced, pause) =>
        new Wants({
          connect: () => this.#callShard(() => this.#open(async (server) => world.shards.want(server))),
          onPlaced: (id, home) => {
            world.count("late arrival of an unknown id");
            this.trail.placed(home);
            onPlaced(id, home);
          },
          pause,
        }),
      log: silent,
      clock,
      bounds: world.bounds,
      isolate: shared.memory,
      parts: variant.parts,
      onEnd: () => {
        locator.end();
        this.#ended.abort();
      },
    });
    client.onFrame = (frame) => {
      if (!this.#alive) return;
      this.trail.clientSent(frame);
      this.session.receive(frame);
      for (const [home, bytes] of this.session.queuedBytes) {
        if (bytes > world.bounds.upstreamQueueBytes) world.fail(`${bytes} bytes wait for ${home}`);
      }
    };
    client.onClose = () => {
      if (!this.#alive) return;
      this.session.end();
      this.#alive = false;
      // The rest of the request is dropped, and with it what was being opened.
      onEnd();
      for (const socket of this.#sockets) {
        if (socket.closed) continue;
        if (socket.isAccepted) world.fail("a session ended and forgot a socket");
        socket.link.break(500);
      }
    };
  }

  kill(): void {
    this.#alive = false;
    this.client.link.break(2_000);
    for (const socket of this.#sockets) socket.link.break(500);
  }

  async #dial(home: GroupId, place: SpritePlace | FreshPlace): Promise<SpriteSocket> {
    const world = this.#world;
    const abort = new AbortController();
    const cancel = world.scheduler.later(LIMITS.dialTimeoutMs, () => abort.abort());
    const link = new Link(world.scheduler, world.chance, world.delay);
    const end = link.a.hold();
    this.#sockets.add(end);
    const after = "after" in place ? place.after : undefined;
    try {
      const upgrade = this.#call(() =>
        world.host(home).upgrade(link.b, after, place.headers.machine ?? "", this.trail.causeOfDial(home)),
      );
      const timeout = new Promise<never>((_, reject) =>
        abort.signal.addEventListener("abort", () =>
          reject(new SpriteSyncError("transient", "no hello in time")),
        ),
      );
      timeout.catch(() => undefined);
      await Promise.race([upgrade, timeout]);
      return await greeted(end, home, AbortSignal.any([abort.signal, this.#ended.signal]));
    } catch (error) {
      world.count("failed dial");
      throw error;
    } finally {
      cancel();
    }
  }

  /** A socket to a Durable Object: `accept` gets its server side. */
  async #open(accept: (server: End) => Promise<void>): Promise<{ webSocket: End }> {
    const link = new Link(this.#world.scheduler, this.#world.chance, this.#world.controlDelay);
    const client = link.a.hold();
    this.#sockets.add(client);
    await accept(link.b);
    return { webSocket: client };
  }

  #callCoordinator<T>(
    home: GroupId,
    call: (host: CoordinatorHost) => Promise<T>,
    delay = this.#world.slowDelay,
  ): Promise<T> {
    const host = this.#world.coordinator(home);
    return this.#call(() => host.call(call), delay);
  }

  #callShard<T>(call: () => Promise<T>): Promise<T> {
    if (this.#world.shardsDown) return this.#call(() => Promise.reject(new Error("the shard is down")));
    return this.#call(call);
  }

  /** A call to somewhere else: there and back takes time, and an answer for a session that has ended never comes. */
  #call<T>(call: () => Promise<T>, delay = this.#world.slowDelay): Promise<T> {
    const { scheduler, chance } = this.#world;
    return new Promise((resolve, reject) => {
      const back = (then: () => void) => scheduler.later(delay(), () => this.#alive && then());
      scheduler.later(delay(), () => {
        if (!this.#alive) return;
        if (chance.chance(this.#world.callFailures)) {
          this.#world.count("failed call");
          back(() => reject(new Error("network")));
          return;
        }
        call().then(
          (value) => back(() => resolve(value)),
          (error) => back(() => reject(error)),
        );
      });
    });
  }
}
