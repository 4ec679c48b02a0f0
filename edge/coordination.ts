import { type Digest, type DigestRecord, hasRecord, mergedValues } from "../shared/digest.ts";
import { SpriteSyncError, toSpriteSyncError } from "../shared/errors.ts";
import type { GroupId } from "../shared/ids.ts";
import { LIMITS } from "../shared/limits.ts";
import type { Log } from "../shared/log.ts";
import { withTimeout } from "../shared/timeout.ts";
import type { AwakePeriod, AwakePeriods } from "./awake-periods.ts";
import * as awakePeriods from "./awake-periods.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { Fleet, SpriteRecord } from "./fleet/fleet.ts";
import { afterCommand, heldFor, type MoveCommand, type MoveGate, type MoveView } from "./move-gate.ts";
import { nearestFirst, type Position } from "./regions.ts";
import { failedReply, type Reply } from "./reply.ts";
import type { FreshPlace } from "./sprite-place.ts";
import { isWaitingKind, type WaitingKind } from "./waiting.ts";

/** What a coordinator stores: each under its own key, because periods are known also of Sprites that KV led to. */
export interface Stored {
  readonly sprite: SpriteRecord | undefined;
  readonly periods: AwakePeriods;
  /** Set while the group is moved to another region, and as long as disks are left over from that. */
  readonly gate?: MoveGate | undefined;
}

/** What is kept of the digests of a Sprite: true from the end of period `boot` until it is awake again. */
export interface KeptDigest {
  readonly boot: string;
  /** When it came; milliseconds since the epoch. */
  readonly at: number;
  /** Names the content of its store, as {@link Digest.is}. */
  readonly is: string;
  readonly values: string;
}

export interface CoordinationDeps {
  readonly fleet: () => {
    readonly fleet: Pick<Fleet, "wake" | "ensure" | "address" | "isOutdated" | "upgrade">;
    readonly regions: readonly string[];
  };
  /** Nothing else may happen in the object while one of these runs, as Durable Objects promise of their storage. */
  readonly load: () => Promise<Stored>;
  readonly save: (stored: Stored) => Promise<void>;
  /** Makes the address known to edges that have not met the Sprite. It need not succeed. */
  readonly publish: (home: GroupId, place: FreshPlace) => void;
  /** Apart from the rest, because it may be large and is rarely needed. */
  readonly loadDigest: () => Promise<KeptDigest | undefined>;
  readonly saveDigest: (digest: KeptDigest) => Promise<void>;
  /** Tells every socket that watches, and closes it. */
  readonly tellWatchers: () => void;
  /** Lets `work` go on when the request that began it has ended. */
  readonly keep: (work: Promise<unknown>) => void;
  readonly log: () => Log;
  /** The line of those whom the fleet has no room for; without one everybody waits for himself. */
  readonly line?: {
    /** @returns when to ask the fleet again, milliseconds from now. */
    refused(home: GroupId, kind: WaitingKind, retryAfterMs: number): Promise<number>;
    ended(home: GroupId, admitted: boolean): Promise<void>;
  };
  readonly clock?: Clock;
  /** The rules of watching; the simulation puts broken ones in. */
  readonly rules?: Rules;
}

type Rules = Pick<typeof awakePeriods, "beginsWatching" | "wasMet">;

/** The session that asked. */
interface Asker {
  readonly near: Position | undefined;
  readonly session: string | undefined;
}

interface Trouble {
  readonly reply: Reply<never>;
  readonly until: number;
}

/**
 * What the coordinator of one Sprite decides: when the fleet is asked, who is told. Sockets, storage and the fleet are
 * its caller's.
 *
 * 1. Only the flight in `#flight` talks to the fleet, so one home is created and woken once in the whole world.
 * 2. A home that the fleet has no room for waits, and has not failed: the line knows it until it has its Sprite (waiting.ts).
 * 3. Whoever watches when the Sprite wakes, or is met in a new period, is told (awake-periods.ts).
 * 4. A digest speaks for the Sprite only between the end of the newest period that anybody has met and the next call for
 *    it: nobody may use a socket of a later one before {@link met} has said so here, so nothing was written since.
 */
export class Coordination {
  readonly #deps: CoordinationDeps;
  readonly #clock: Clock;
  readonly #rules: Rules;
  #flight: Promise<Reply<FreshPlace>> | undefined;
  #trouble: Trouble | undefined;
  /** Whether this home stands in the line. */
  #waits = false;

  constructor(deps: CoordinationDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? systemClock;
    this.#rules = deps.rules ?? awakePeriods;
  }

  /**
   * Where the Sprite is; created if there is none, woken if it sleeps. `fresh`: the caller could not reach it there.
   * @param near where the caller's browser is; a Sprite that has to be created gets the nearest region.
   * @param session who asks, for the log; of several that ask at once, the first.
   */
  async locate(home: GroupId, fresh: boolean, near?: Position, session?: string): Promise<Reply<FreshPlace>> {
    if (this.#flight) return this.#flight;
    const now = this.#clock.now();
    if (this.#trouble && now < this.#trouble.until) return repeated(this.#trouble, now);
    const flight = this.#locate(home, fresh, { near, session });
    this.#flight = flight;
    // The session that asked first may leave: the others wait for the same flight, so it must not end with that request.
    this.#deps.keep(flight);
    try {
      return await flight;
    } finally {
      this.#flight = undefined;
    }
  }

  /** A session has met the Sprite in this period. */
  async met(period: AwakePeriod, session?: string): Promise<{ overtaken: boolean }> {
    const stored = await this.#deps.load();
    const { periods, news, overtaken } = this.#rules.wasMet(stored.periods, period);
    if (periods === stored.periods) return { overtaken };
    await this.#deps.save({ ...stored, periods });
    if (news) this.#deps.tellWatchers();
    if (news) this.#logPeriod(stored.sprite, period, session);
    if (news && stored.sprite && period.version !== undefined) this.#upgrade(stored.sprite, period.version);
    return { overtaken };
  }

  /** The Sprite's last word of period `boot`, handed on by a session. */
  async fellAsleep(boot: string, digest: Digest): Promise<void> {
    const kept = await this.#deps.loadDigest();
    const stored = await this.#deps.load();
    const { periods, last } = awakePeriods.fellAsleep(stored.periods, boot);
    if (!last || kept?.boot === boot) return;
    await this.#deps.saveDigest({
      boot,
      at: this.#clock.now(),
      is: digest.is,
      values: mergedValues(kept, digest),
    });
    if (stored.periods.awake) await this.#deps.save({ ...stored, periods });
  }

  /** @returns the period that ended, if the Sprite sleeps and `records` are all true of it; `null` if not, or not surely. */
  async unchanged(records: readonly DigestRecord[]): Promise<string | null> {
    // The digest first: if the Sprite is met in between, the periods tell.
    const kept = await this.#deps.loadDigest();
    // Turned round for one that an earlier version kept, which has no time.
    if (!kept || !(this.#clock.now() - kept.at < LIMITS.digestTrustMs)) return null;
    const { periods } = await this.#deps.load();
    if (periods.awake || periods.latest?.boot !== kept.boot) return null;
    return records.every((record) => hasRecord(kept.values, record)) ? kept.boot : null;
  }

  /**
   * A session saw the end of period `boot` and wants to know of the next.
   * @param accept adds its socket to those that are told; called before anything else can happen here.
   * @returns whether it has to wait; if not, it must be told now.
   */
  async watch(boot: string, accept: () => void): Promise<boolean> {
    const stored = await this.#deps.load();
    accept();
    const { periods, waits } = this.#rules.beginsWatching(stored.periods, boot);
    if (waits && stored.periods.awake) await this.#deps.save({ ...stored, periods });
    return waits;
  }

  /** In a flight: whoever loses its socket by it, and asks where the Sprite is, waits until it is done. */
  #upgrade(sprite: SpriteRecord, version: string): void {
    const { fleet } = this.#deps.fleet();
    if (!fleet.upgrade || this.#flight) return;
    const { home } = sprite;
    const work = fleet.upgrade(sprite, version).then(
      (wasOld) => wasOld && this.#deps.log().info({ home, version }, "the Sprite ran another version"),
      (error: unknown) =>
        this.#deps.log().warn({ home, version, error: String(error) }, "the Sprite could not be upgraded"),
    );
    const flight = work.then(async (): Promise<Reply<FreshPlace>> => {
      const { sprite: known = sprite, periods } = await this.#deps.load();
      return { ok: true, value: this.#placeOf(known, periods) };
    });
    this.#flight = flight;
    this.#deps.keep(
      flight.finally(() => {
        this.#flight = undefined;
      }),
    );
  }

  /**
   * Obeys whoever moves the Sprite to another region (move-gate.ts).
   * @throws SpriteSyncError `overloaded`, `gone`
   */
  async move(command: MoveCommand): Promise<MoveView> {
    // Nobody may be led to the Sprite, or create it, behind the back of a hold.
    while (command.kind === "hold" && this.#flight) await this.#flight;
    const stored = afterCommand(await this.#deps.load(), command, this.#clock.now());
    await this.#deps.save(stored);
    if (command.kind === "hold") this.#trouble = undefined;
    if (command.kind === "switch") {
      this.#deps.publish(command.sprite.home, this.#placeOf(command.sprite, stored.periods));
      this.#deps.tellWatchers();
    }
    return { sprite: stored.sprite, periods: stored.periods, without: stored.gate?.without ?? [] };
  }

  /** The one line of a Sprite that was woken by its cached address: nobody has asked for it here. */
  #logPeriod(sprite: SpriteRecord | undefined, { number, boot }: AwakePeriod, session?: string): void {
    const fields = { home: sprite?.home, sprite: sprite?.name, period: number, boot, session };
    this.#deps.log().info(fields, "a new awake period");
  }

  async #locate(home: GroupId, fresh: boolean, asker: Asker): Promise<Reply<FreshPlace>> {
    try {
      const stored = await this.#deps.load();
      const { sprite, periods } = stored;
      const heldMs = heldFor(stored, this.#clock.now());
      if (heldMs > 0) return failedReply(beingMoved(home, heldMs));
      // Believed to be awake. An outdated one is looked at all the same: asleep, it would wake with its old image.
      if (sprite && periods.awake && !fresh && !this.#deps.fleet().fleet.isOutdated?.(sprite))
        return { ok: true, value: this.#placeOf(sprite, periods) };
      const wake = this.#wake(home, sprite, asker);
      const value = await withTimeout(wake, LIMITS.locateTimeoutMs, slowFleet(home), this.#clock.later);
      await this.#leaveLine(home, true);
      return { ok: true, value };
    } catch (thrown) {
      const error = await this.#queued(home, toSpriteSyncError(thrown, "transient"));
      const reply = failedReply(error);
      // Asking again at once would not help, and one edge asks for everybody's groups (facts/fly-machines §1.10).
      const pause = error.retry ? (error.retryAfterMs ?? 0) : LIMITS.permanentTroubleMs;
      if (pause > 0) this.#trouble = { reply, until: this.#clock.now() + pause };
      const log = this.#deps.log();
      const fields = { home, code: error.code, error: error.message, session: asker.session };
      // The line has told of those that wait.
      if (this.#waits) log.debug(fields, "the Sprite has to wait");
      else log.warn(fields, "could not create or wake the Sprite");
      return reply;
    }
  }

  /** Takes a home that was refused for lack of room into the line; its turn in there decides when it asks again. */
  async #queued(home: GroupId, error: SpriteSyncError): Promise<SpriteSyncError> {
    const { line } = this.#deps;
    if (!line || !isWaitingKind(error.code)) {
      await this.#leaveLine(home, false);
      return error;
    }
    try {
      const retryAfterMs = await line.refused(
        home,
        error.code,
        error.retryAfterMs ?? LIMITS.attachRetryMaxMs,
      );
      this.#waits = true;
      return new SpriteSyncError(error.code, error.message, { cause: error, retryAfterMs });
    } catch {
      // Without the line it waits for as long as the fleet said.
      return error;
    }
  }

  async #leaveLine(home: GroupId, admitted: boolean): Promise<void> {
    if (!this.#waits) return;
    this.#waits = false;
    // If it cannot be told, it finds out by itself that this home asks no more.
    await this.#deps.line?.ended(home, admitted).catch(() => undefined);
  }

  async #wake(home: GroupId, known: SpriteRecord | undefined, { near, session }: Asker): Promise<FreshPlace> {
    const sprite = (known && (await this.#wakeKnown(known))) ?? (await this.#create(home, known, near));
    // Read only now: while the fleet worked, a session may have met a new period.
    const stored = await this.#deps.load();
    const periods = { ...stored.periods, awake: true };
    await this.#deps.save({ ...stored, sprite, periods });
    const place = this.#placeOf(sprite, periods);
    // Only here: whoever asked had found no address, or one that does not work. A write of KV costs as much as 33
    // requests, and there is nothing new in it that others need.
    this.#deps.publish(home, place);
    // Before anybody has met the Sprite: the others dial while it boots.
    this.#deps.tellWatchers();
    this.#deps.log().info({ home, sprite: sprite.name, region: sprite.region, session }, "Sprite woken");
    return place;
  }

  /** By its id, a call whose budget on Fly is the Sprite's own. `undefined`: the Sprite is no more. */
  async #wakeKnown(sprite: SpriteRecord): Promise<SpriteRecord | undefined> {
    try {
      return await this.#deps.fleet().fleet.wake(sprite);
    } catch (error) {
      if (error instanceof SpriteSyncError && error.code === "gone") return undefined;
      throw error;
    }
  }

  /** Looks for the Sprite by name and creates it if there is none: calls that the whole deployment has one budget for. */
  async #create(
    home: GroupId,
    known: SpriteRecord | undefined,
    near: Position | undefined,
  ): Promise<SpriteRecord> {
    const { fleet, regions: allowed } = this.#deps.fleet();
    // A region is chosen once: whoever comes first after a loss must not draw the group to himself.
    const regions = known?.region
      ? [known.region, ...nearestFirst(allowed, near)]
      : nearestFirst(allowed, near);
    const without = (await this.#deps.load()).gate?.without ?? [];
    const found = await fleet.ensure({ home, regions, without });
    return found.state === "running" ? found : fleet.wake(found);
  }

  /** How sessions reach the Sprite. */
  #placeOf(sprite: SpriteRecord, { latest }: AwakePeriods): FreshPlace {
    const address = this.#deps.fleet().fleet.address(sprite);
    const { region, image } = sprite;
    return { ...address, region, image, boot: latest?.boot ?? null, after: latest?.number ?? 0 };
  }
}

/** A refusal told again, with the pause that is left of it. */
function repeated({ reply, until }: Trouble, now: number): Reply<never> {
  return reply.ok || reply.retryAfterMs === undefined ? reply : { ...reply, retryAfterMs: until - now };
}

/** How soon to ask again while a group is moved: it takes seconds to minutes, and the last moment is not known. */
const MOVING_RETRY_MS = 2_000;

function beingMoved(home: GroupId, heldMs: number): SpriteSyncError {
  const retryAfterMs = Math.min(heldMs, MOVING_RETRY_MS);
  return new SpriteSyncError("transient", `the Sprite of ${home} is being moved to another region`, {
    retryAfterMs,
  });
}

function slowFleet(home: GroupId): SpriteSyncError {
  return new SpriteSyncError(
    "transient",
    `the fleet did not wake the Sprite of ${home} in ${LIMITS.locateTimeoutMs} ms`,
  );
}
