import { DurableObject } from "cloudflare:workers";
import type { GroupId } from "../shared/ids.ts";
import { sqlCaps } from "./caps-store.ts";
import { capLimits, logOptions, parseConfig } from "./config.ts";
import { type CapRefusal, type CapsReport, CreationCaps, type Founder } from "./creation-caps.ts";
import type { Env } from "./env.ts";
import type { RoomReport } from "./fleet/fleet.ts";
import { fleetOf } from "./fleet-of.ts";
import { workersLog } from "./log.ts";
import { Waiting, type WaitingGroup, type WaitingKind, type WaitingReport } from "./waiting.ts";

/** What the operator is shown: numbers, no group's name. */
export interface FleetHealth {
  readonly waiting: WaitingReport;
  /** New Sprites, against their caps. */
  readonly creations: CapsReport;
  /** The last time that room was made, if ever since this object began. */
  readonly room: (Pick<RoomReport, "running" | "limit"> & { readonly agoMs: number }) | undefined;
}

/** The deployment's one waiting room. */
export function waitingRoomOf({ WAITING_ROOM }: Env): DurableObjectStub<WaitingRoom> {
  return WAITING_ROOM.get(WAITING_ROOM.idFromName("all"));
}

/** How often room is made: the platform frees a slot only 30 to 80 s after its Sprite was asked (facts/fly-sprites §4). */
const MAKE_ROOM_MS = 5_000;

/**
 * One object for the whole deployment: the groups that wait for their fleet, whatever coordinator they have. Only refusals
 * come here, so that it stands in nobody's way while there is room.
 */
export class WaitingRoom extends DurableObject<Env> {
  readonly #log = workersLog(logOptions(parseConfig(this.env)));
  readonly #founders = sqlCaps(this.ctx.storage.sql);
  readonly #caps = new CreationCaps(this.#founders);
  readonly #limits = capLimits(parseConfig(this.env));
  #waiting = new Waiting();
  #madeRoom: { readonly at: number; readonly report: RoomReport | undefined } | undefined;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    void state.blockConcurrencyWhile(async () => {
      const groups = await state.storage.list<WaitingGroup>();
      this.#waiting = new Waiting(groups as unknown as Map<GroupId, WaitingGroup>);
    });
  }

  /** Counts one more new Sprite. @returns the cap that does not allow it. */
  async takeCreation(home: GroupId, founder: Founder): Promise<CapRefusal | undefined> {
    const now = Date.now();
    const before = this.#caps.report(this.#limits, now).reached;
    const refusal = this.#caps.take(home, founder, this.#limits, now);
    // Once an hour for each cap: the alarm. How many it concerns is in `/health/fleet`.
    if (refusal && !before.includes(refusal.cap)) {
      const text = "a cap on new Sprites is reached: new groups wait; see docs/settings.md, SPRITE_CAPS";
      const { hour, day, total } = this.#caps.report(this.#limits, now);
      this.#log.error({ ...refusal, hour: hour.made, day: day.made, total: total.made }, text);
    }
    return refusal;
  }

  /** Which client founded a home, within the last day. */
  async founderOf(home: GroupId): Promise<string | undefined> {
    return this.#founders.founderOf(home);
  }

  /** A group was refused. @returns after how many milliseconds it shall ask again. */
  async refused(home: GroupId, kind: WaitingKind, retryAfterMs: number): Promise<number> {
    const now = Date.now();
    await this.#expire(now);
    const { retryAfterMs: pause, group } = this.#waiting.refused(
      home,
      kind,
      retryAfterMs,
      now,
      this.#founders.founderOf(home),
    );
    await this.ctx.storage.put(home, group);
    this.#log.info(
      { home, kind, retryAfterMs: pause, ...this.#counts(now) },
      "the group waits for its fleet; it has not failed",
    );
    if (kind === "capacity") this.ctx.waitUntil(this.#makeRoom(now));
    return pause;
  }

  /** A group that had been refused waits no more. */
  async ended(home: GroupId, admitted: boolean): Promise<void> {
    const waitedMs = this.#waiting.ended(home, Date.now());
    if (waitedMs === undefined) return;
    await this.ctx.storage.delete(home);
    if (admitted) this.#log.info({ home, waitedMs }, "the group waits no more: it got its Sprite");
    else this.#log.warn({ home, waitedMs }, "the group waits no more: it failed");
  }

  async health(): Promise<FleetHealth> {
    const now = Date.now();
    await this.#expire(now);
    const made = this.#madeRoom;
    const room = made?.report && {
      running: made.report.running,
      limit: made.report.limit,
      agoMs: now - made.at,
    };
    const creations = this.#caps.report(this.#limits, now);
    return { waiting: this.#waiting.report(now), room, creations };
  }

  /** For the log. */
  #counts(now: number) {
    const { capacity, rate, longestMs } = this.#waiting.report(now);
    return { waitForRoom: capacity, waitForTheirTurn: rate, longestMs };
  }

  async #expire(now: number): Promise<void> {
    for (const home of this.#waiting.expire(now)) await this.ctx.storage.delete(home);
  }

  async #makeRoom(now: number): Promise<void> {
    if (this.#madeRoom && now - this.#madeRoom.at < MAKE_ROOM_MS) return;
    this.#madeRoom = { at: now, report: this.#madeRoom?.report };
    try {
      const report = await fleetOf(this.env).fleet.makeRoom?.(this.#waiting.homes);
      this.#madeRoom = { at: now, report };
      if (report) this.#log.warn({ ...report, ...this.#counts(now) }, "the plan's running cap is reached");
    } catch (error) {
      this.#log.warn({ error: String(error) }, "no room was made");
    }
  }
}
