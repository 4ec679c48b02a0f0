import { DurableObject } from "cloudflare:workers";
import type { Digest, DigestRecord } from "../shared/digest.ts";
import { toSpriteSyncError } from "../shared/errors.ts";
import { asHome, type GroupId, parseCoValueId } from "../shared/ids.ts";
import type { Log } from "../shared/log.ts";
import { awakeMessage } from "./awake-message.ts";
import { type AwakePeriod, type AwakePeriods, NEVER_AWAKE } from "./awake-periods.ts";
import { logOptions, parseConfig } from "./config.ts";
import { Coordination, type KeptDigest, type Stored } from "./coordination.ts";
import type { Env } from "./env.ts";
import type { SpriteRecord } from "./fleet/fleet.ts";
import { fleetOf } from "./fleet-of.ts";
import { workersLog } from "./log.ts";
import type { MoveCommand, MoveGate, MoveView } from "./move-gate.ts";
import type { Position } from "./regions.ts";
import { failedReply, type Reply } from "./reply.ts";
import type { CoordinatorApi, FreshPlace, SpritePlace } from "./sprite-place.ts";
import { waitingRoomOf } from "./waiting-room.ts";

/**
 * One object for each Sprite: creates and wakes it once at a time, and tells the sessions that watch it when it woke.
 * {@link Coordination} decides; here are the storage, the sockets and KV.
 *
 * 1. Sockets are hibernatable and nothing keeps a timer, so that watching a sleeping Sprite costs nothing
 *    (facts/cloudflare §2.1).
 * 2. A watcher gets one message and is closed: it attaches and, later, watches the next period with a new socket.
 * 3. What it knows is on its storage: all of it may be out of memory between two calls.
 */
export class Coordinator extends DurableObject<Env> implements CoordinatorApi {
  readonly #coordination = new Coordination({
    fleet: () => fleetOf(this.env),
    load: () => this.#load(),
    save: ({ sprite, periods, gate }) =>
      this.ctx.storage.put({ periods, ...(sprite && { sprite }), ...(gate && { gate }) }),
    publish: (home, place) => this.#publish(home, place),
    loadDigest: () => this.ctx.storage.get<KeptDigest>("digest"),
    saveDigest: (digest) => this.ctx.storage.put("digest", digest),
    tellWatchers: () => {
      const sockets = this.ctx.getWebSockets();
      for (const socket of sockets) tell(socket, sockets.length);
    },
    keep: (work) => this.ctx.waitUntil(work),
    log: () => this.#log(),
    line: {
      refused: (...refusal) => waitingRoomOf(this.env).refused(...refusal),
      ended: (...end) => waitingRoomOf(this.env).ended(...end),
    },
  });
  async locate(home: string, fresh: boolean, near?: Position, session?: string): Promise<Reply<FreshPlace>> {
    return this.#coordination.locate(parseHome(home), fresh, near, session);
  }

  async met(period: AwakePeriod, session?: string): Promise<{ overtaken: boolean }> {
    return this.#coordination.met(period, session);
  }

  async fellAsleep(boot: string, digest: Digest): Promise<void> {
    await this.#coordination.fellAsleep(boot, digest);
  }

  async unchanged(records: readonly DigestRecord[]): Promise<string | null> {
    return this.#coordination.unchanged(records);
  }

  /** What whoever moves the Sprite asks for; errors travel as data (reply.ts). */
  async move(command: MoveCommand): Promise<Reply<MoveView>> {
    try {
      return { ok: true, value: await this.#coordination.move(command) };
    } catch (thrown) {
      return failedReply(toSpriteSyncError(thrown, "transient"));
    }
  }

  /**
   * `/watch?boot=<period that ended>`: a socket that gets one message when the Sprite is awake in a later period. 503 when
   * no more can be held: the session tries again, and is told at once when it would have been.
   */
  override async fetch(request: Request): Promise<Response> {
    const { searchParams } = new URL(request.url);
    const boot = searchParams.get("boot") ?? "";
    const { 0: client, 1: server } = new WebSocketPair();
    try {
      const waits = await this.#coordination.watch(boot, () => this.ctx.acceptWebSocket(server));
      if (!waits) tell(server, 1);
    } catch (error) {
      this.#log().warn(
        { session: searchParams.get("session"), error: String(error) },
        "a session could not watch",
      );
      return new Response("no more watchers can be held", { status: 503 });
    }
    return new Response(null, { status: 101, webSocket: client });
  }

  override webSocketClose(socket: WebSocket): void {
    // The hibernation path does not answer a close by itself (facts/cloudflare §1.3): without this the peer hangs.
    closeQuietly(socket);
  }

  async #load(): Promise<Stored> {
    const stored = await this.ctx.storage.get<unknown>(["sprite", "periods", "gate"]);
    return {
      gate: stored.get("gate") as MoveGate | undefined,
      sprite: stored.get("sprite") as SpriteRecord | undefined,
      periods: (stored.get("periods") as AwakePeriods | undefined) ?? NEVER_AWAKE,
    };
  }

  /** The coordinator is the one writer of its key, which orders the writes; KV takes one a second (facts/cloudflare §3). */
  #publish(home: GroupId, { after: _, ...place }: FreshPlace): void {
    const write = this.env.ADDRESSES.put(home, JSON.stringify(place satisfies SpritePlace));
    this.ctx.waitUntil(
      write.catch((error) => this.#log().warn({ home, error: String(error) }, "KV write failed")),
    );
  }

  #log(): Log {
    return workersLog(logOptions(parseConfig(this.env)));
  }
}

function tell(socket: WebSocket, watchers: number): void {
  try {
    socket.send(awakeMessage(watchers));
  } catch {
    // A watcher that has gone needs no news.
  }
  closeQuietly(socket);
}

function closeQuietly(socket: WebSocket): void {
  try {
    socket.close(1000, "");
  } catch {
    // Closed already.
  }
}

function parseHome(home: string): GroupId {
  const id = parseCoValueId(home);
  if (!id) throw new TypeError("a coordinator was asked for something that is no group id");
  return asHome(id);
}
