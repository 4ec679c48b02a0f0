import { DurableObject } from "cloudflare:workers";
import { SpriteSyncError, toSpriteSyncError } from "../shared/errors.ts";
import { asHome, type GroupId, parseCoValueId } from "../shared/ids.ts";
import { LIMITS } from "../shared/limits.ts";
import type { Log } from "../shared/log.ts";
import { withTimeout } from "../shared/timeout.ts";
import { type AwakePeriod, type AwakePeriods, beginsWatching, NEVER_AWAKE, wasMet } from "./awake-periods.ts";
import { logOptions, parseConfig } from "./config.ts";
import type { Env } from "./env.ts";
import type { SpriteRecord } from "./fleet/fleet.ts";
import { fleetOf } from "./fleet-of.ts";
import { workersLog } from "./log.ts";
import { failedReply, type Reply } from "./reply.ts";
import type { CoordinatorApi, FreshPlace, SpritePlace } from "./sprite-place.ts";

/** What is stored: each under its own key, because periods are known also of Sprites that KV led to. */
interface Stored {
  readonly sprite: SpriteRecord | undefined;
  readonly periods: AwakePeriods;
}

interface Trouble {
  readonly reply: Reply<never>;
  readonly until: number;
}

/**
 * One object for each Sprite: creates and wakes it once at a time, and tells the sessions that watch it when it woke.
 *
 * 1. Only the flight in `#flight` talks to the fleet, so one home is created and woken once in the whole world.
 * 2. Sockets are hibernatable and nothing keeps a timer, so that watching a sleeping Sprite costs nothing
 *    (facts/cloudflare §2.1).
 * 3. A watcher gets one message and is closed: it attaches and, later, watches the next period with a new socket.
 */
export class Coordinator extends DurableObject<Env> implements CoordinatorApi {
  #flight: Promise<Reply<FreshPlace>> | undefined;
  #trouble: Trouble | undefined;

  async locate(home: string, fresh: boolean): Promise<Reply<FreshPlace>> {
    if (this.#flight) return this.#flight;
    if (this.#trouble && Date.now() < this.#trouble.until) return this.#trouble.reply;
    const flight = this.#locate(parseHome(home), fresh);
    this.#flight = flight;
    // The session that asked first may leave: the others wait for the same flight, so it must not end with that request.
    this.ctx.waitUntil(flight);
    try {
      return await flight;
    } finally {
      this.#flight = undefined;
    }
  }

  async met(period: AwakePeriod): Promise<void> {
    const stored = await this.#load();
    const { periods, news } = wasMet(stored.periods, period);
    if (periods === stored.periods) return;
    await this.#save({ ...stored, periods });
    if (news) this.#tellWatchers();
  }

  /** `/watch?boot=<period that ended>`: a socket that gets one message when the Sprite is awake in a later period. */
  override async fetch(request: Request): Promise<Response> {
    const boot = new URL(request.url).searchParams.get("boot") ?? "";
    const stored = await this.#load();
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    const { periods, waits } = beginsWatching(stored.periods, boot);
    if (!waits) tell(server);
    else if (stored.periods.awake) await this.ctx.storage.put("periods", periods);
    return new Response(null, { status: 101, webSocket: client });
  }

  override webSocketClose(socket: WebSocket): void {
    // The hibernation path does not answer a close by itself (facts/cloudflare §1.3): without this the peer hangs.
    closeQuietly(socket);
  }

  async #locate(home: GroupId, fresh: boolean): Promise<Reply<FreshPlace>> {
    try {
      const { sprite, periods } = await this.#load();
      if (sprite && periods.awake && !fresh) return { ok: true, value: this.#placeOf(sprite, periods) };
      const wake = this.#wake(home, sprite);
      return { ok: true, value: await withTimeout(wake, LIMITS.locateTimeoutMs, slowFleet(home)) };
    } catch (thrown) {
      const error = toSpriteSyncError(thrown, "transient");
      const reply = failedReply(error);
      // Asking again at once would not help, and one edge asks for everybody's groups (facts/fly-machines §1.10).
      const pause = error.retry ? (error.retryAfterMs ?? 0) : LIMITS.permanentTroubleMs;
      if (pause > 0) this.#trouble = { reply, until: Date.now() + pause };
      this.#log().warn(
        { home, code: error.code, error: error.message },
        "could not create or wake the Sprite",
      );
      return reply;
    }
  }

  async #wake(home: GroupId, known: SpriteRecord | undefined): Promise<FreshPlace> {
    const sprite = (known && (await this.#wakeKnown(known))) ?? (await this.#create(home));
    // Read only now: while the fleet worked, a session may have met a new period.
    const { periods: before } = await this.#load();
    const periods = { ...before, awake: true };
    await this.#save({ sprite, periods });
    // Before anybody has met the Sprite: the others dial while it boots.
    this.#tellWatchers();
    this.#log().info({ home, sprite: sprite.name, region: sprite.region }, "Sprite woken");
    return this.#placeOf(sprite, periods);
  }

  /** By its id, a call whose budget on Fly is the Sprite's own. `undefined`: the Sprite is no more. */
  async #wakeKnown(sprite: SpriteRecord): Promise<SpriteRecord | undefined> {
    try {
      return await fleetOf(this.env).fleet.wake(sprite);
    } catch (error) {
      if (error instanceof SpriteSyncError && error.code === "gone") return undefined;
      throw error;
    }
  }

  /** Looks for the Sprite by name and creates it if there is none: calls that the whole deployment has one budget for. */
  async #create(home: GroupId): Promise<SpriteRecord> {
    const { fleet, regions } = fleetOf(this.env);
    const found = await fleet.ensure({ home, regions });
    return found.state === "running" ? found : fleet.wake(found);
  }

  #placeOf(sprite: SpriteRecord, { latest }: AwakePeriods): FreshPlace {
    const address = fleetOf(this.env).fleet.address(sprite);
    return { ...address, boot: latest?.boot ?? null, after: latest?.number ?? 0 };
  }

  async #load(): Promise<Stored> {
    const stored = await this.ctx.storage.get<SpriteRecord | AwakePeriods>(["sprite", "periods"]);
    return {
      sprite: stored.get("sprite") as SpriteRecord | undefined,
      periods: (stored.get("periods") as AwakePeriods | undefined) ?? NEVER_AWAKE,
    };
  }

  async #save({ sprite, periods }: Stored): Promise<void> {
    await this.ctx.storage.put(sprite ? { sprite, periods } : { periods });
    if (!sprite) return;
    // The coordinator is the one writer of its key, which orders the writes; KV takes one a second (facts/cloudflare §3).
    const { after: _, ...place } = this.#placeOf(sprite, periods);
    const write = this.env.ADDRESSES.put(sprite.home, JSON.stringify(place satisfies SpritePlace));
    this.ctx.waitUntil(
      write.catch((error) =>
        this.#log().warn({ home: sprite.home, error: String(error) }, "KV write failed"),
      ),
    );
  }

  #log(): Log {
    return workersLog(logOptions(parseConfig(this.env)));
  }

  #tellWatchers(): void {
    for (const socket of this.ctx.getWebSockets()) tell(socket);
  }
}

function slowFleet(home: GroupId): SpriteSyncError {
  return new SpriteSyncError(
    "transient",
    `the fleet did not wake the Sprite of ${home} in ${LIMITS.locateTimeoutMs} ms`,
  );
}

function tell(socket: WebSocket): void {
  try {
    socket.send('{"type":"awake"}');
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
