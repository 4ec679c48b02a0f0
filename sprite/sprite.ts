import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { WebSocket } from "ws";
import { helloMessage } from "../shared/control.ts";
import { SpriteSyncError } from "../shared/errors.ts";
import { CLOSE, LIMITS } from "../shared/limits.ts";
import { withFields } from "../shared/log.ts";
import { signSpritePass } from "../shared/pass.ts";
import type { Backups } from "./backups.ts";
import { openCrypto } from "./crypto.ts";
import { DiskNews } from "./disk-news.ts";
import { Farewell, isMarked } from "./farewell.ts";
import { checkPass } from "./gatekeeper.ts";
import { Heartbeat } from "./heartbeat.ts";
import { Hold } from "./hold.ts";
import { type Home, openHome } from "./home.ts";
import type { Busyness } from "./idle.ts";
import { IdleClock } from "./idle-clock.ts";
import { Opening } from "./opening.ts";
import { Parents } from "./parents.ts";
import { Quota } from "./quota.ts";
import { pageOfResidents, type ResidentsPage } from "./residents.ts";
import { type Health, type Idleness, spriteHandlers } from "./server.ts";
import type { SpriteDeps, SpriteStorage } from "./sprite-deps.ts";
import { Upstream } from "./upstream.ts";
import { versionOf } from "./version.ts";
import { waitWhile } from "./wait-while.ts";

export type { Role, SpriteDeps, SpriteStorage } from "./sprite-deps.ts";

/** How often it looks whether it has to be held awake, and whether a backup is due. */
const CHECK_MS = 1_000;
/** How long a shutdown waits for the other side to answer a close frame. */
const GOODBYE_MS = 1_000;

type Phase = "opening" | "open" | "storage-failed" | "asleep" | "stopping";

/**
 * The server of one home group (or of all, as `single`): HTTP in front, upstreams, the node and its storage behind.
 *
 * 1. It listens at once and lets upgrades wait for the storage: a cold start is a chain of waits that can overlap.
 * 2. Whatever the phase, a socket it refuses or closes says why.
 * 3. A storage that does not open is tried again until it does, or until the Sprite sleeps.
 * 4. It says that it sleeps only when nothing is left that the disk did not take; else that it restarts.
 */
export class Sprite {
  /** Tells this awake period from others; a new one with each {@link wake}. */
  boot = randomUUID();
  private readonly deps: SpriteDeps;
  private readonly opening: Opening<Home>;
  /** Aborts when it sleeps or stops. */
  private readonly ended = new AbortController();
  private readonly diskNews: DiskNews;
  private readonly upstreams = new Set<Upstream>();
  private readonly timers: NodeJS.Timeout[] = [];
  private phase: Phase = "opening";
  private home: Home | undefined;
  private storage: SpriteStorage | undefined;
  private parents: Parents | undefined;
  private farewell: Farewell | undefined;
  private backups: Backups | undefined;
  private readonly idle: IdleClock;
  private readonly hold: Hold | undefined;
  private readonly heartbeat: Heartbeat;
  private upgrades = 0;
  /** The number of this awake period; known once an upgrade has been let in. */
  private period = 0;
  /** Settles when the count of awake periods is on the disk; never rejects. */
  private counting: Promise<unknown> = Promise.resolve();
  private opened = 0;
  private closing: Promise<void> | undefined;

  private constructor(deps: SpriteDeps) {
    this.deps = deps;
    this.heartbeat = new Heartbeat(this.upstreams, deps.log);
    const home = deps.role.kind === "home" ? deps.role.home : undefined;
    this.diskNews = new DiskNews(home, this.upstreams, deps.log);
    this.hold = deps.guest && new Hold(deps.guest, deps.log);
    this.idle = new IdleClock({
      sleepAfterMs: deps.sleepAfterMs,
      lostStoreMs: deps.lostStoreMs,
      busyness: () => this.busyness(),
      waitsForPause: () => this.waitsForPause,
      isReady: () => this.backups?.readyToSleep() !== false,
    });
    this.opening = new Opening({
      open: () => this.open(),
      onFailed: () => {
        if (this.phase === "opening") this.phase = "storage-failed";
      },
      ended: this.ended.signal,
      log: deps.log,
    });
    deps.listener.serve(
      spriteHandlers({
        health: () => this.health(),
        log: deps.log,
        authorize: (request) => this.authorize(request),
        onSocket: (socket, session) => this.attach(socket, session),
        idleness: (request, sleep) => this.idleness(request, sleep),
        residents: (request, from) => this.residents(request, from),
      }),
    );
  }

  /** @returns the Sprite, listening, and its port. */
  static async start(deps: SpriteDeps): Promise<{ sprite: Sprite; port: number }> {
    const sprite = new Sprite(deps);
    const port = await deps.listener.port;
    sprite.every(LIMITS.pingIntervalMs, () => sprite.heartbeat.beat());
    sprite.every(CHECK_MS, () => sprite.checkDisk());
    if (deps.sleepAfterMs > 0) sprite.every(sprite.idle.checkMs, () => sprite.checkIdle());
    return { sprite, port };
  }

  private checkDisk(): void {
    this.diskNews.check(this.storage?.state);
    this.home?.quota.check(this.deps.log);
    this.hold?.check(this.pendingStores + (this.backups?.running ? 1 : 0));
    if (this.phase === "open") this.backups?.check();
  }

  /** Refuses new upstreams, closes those it has, finishes what is being stored and closes the storage. */
  close(): Promise<void> {
    this.closing ??= this.stop();
    return this.closing;
  }

  private async open(): Promise<Home> {
    const { role, openStorage, backups } = this.deps;
    // Together: the disk's thread works for the one, this thread for the other.
    const crypto = openCrypto();
    crypto.catch(() => undefined);
    const storage = await openStorage();
    try {
      const quota = await Quota.open(this.deps.quota, storage);
      const home = openHome(role.kind === "home" ? role.home : undefined, storage, await crypto, quota);
      this.backups = await backups?.();
      this.home = home;
      this.storage = storage;
      this.beginPeriod(home, storage);
      if (this.phase === "opening" || this.phase === "storage-failed") this.phase = "open";
      return home;
    } catch (error) {
      await Promise.resolve(storage.close()).catch(() => undefined);
      throw error;
    }
  }

  private beginPeriod(home: Home, storage: SpriteStorage): void {
    const { role, syncUrl, log } = this.deps;
    if (role.kind !== "home") return;
    const pass = () => signSpritePass(role.home, role.passKeys);
    const edge = syncUrl ? { syncUrl, boot: this.boot, pass } : undefined;
    if (isMarked(storage)) this.farewell = new Farewell(storage, home.touched, edge, log);
    if (syncUrl)
      this.parents = new Parents({ home, syncUrl, pass, log, onActivity: () => this.idle.touch() });
  }

  /**
   * Resolves when it is asleep and may stand still with its memory: everything is said and stored.
   * @throws SpriteSyncError `storage-failed` when it must begin anew instead.
   */
  async settled(): Promise<void> {
    await waitWhile(() => this.upstreams.size > 0, GOODBYE_MS);
    for (const upstream of this.upstreams) upstream.terminate();
    await this.counting;
    const unsaved = this.pendingStores > 0 || this.backups?.running || this.storage?.state?.kind === "failed";
    if (this.home && this.phase === "asleep" && !unsaved) return;
    throw new SpriteSyncError("storage-failed", "something is not on the disk yet, or the disk fails");
  }

  /** An asleep Sprite serves again, in a new awake period. */
  wake(): void {
    const { home, storage, deps } = this;
    if (!home || !storage || this.phase !== "asleep") return;
    if (deps.role.kind === "home") deps.role.periods.renew();
    this.boot = randomUUID();
    this.heartbeat.renew();
    this.idle.renew();
    this.phase = "open";
    this.beginPeriod(home, storage);
  }

  private health(): Health {
    const opening = this.phase === "storage-failed" ? "failed" : "opening";
    const storage = this.storage ? (this.storage.state?.kind ?? "ok") : opening;
    const ok = this.phase === "open" && storage === "ok";
    const { setup } = this.deps;
    return { ok, status: this.phase, storage, setup, backup: this.backups?.health, ...this.home?.quota.news };
  }

  private async idleness(request: IncomingMessage, sleep: boolean): Promise<Idleness> {
    await this.checkFleet(request);
    const isUp = this.phase === "open" || this.phase === "storage-failed";
    const idleMs = isUp ? this.idle.idleMs : 0;
    if (sleep && isUp && this.idle.yields()) void this.fallAsleep("asked to sleep");
    const asleep = this.phase === "asleep" || this.phase === "stopping" || this.waitsForPause;
    return { idleMs, pending: this.pendingStores, asleep };
  }

  private async residents(request: IncomingMessage, from: number): Promise<ResidentsPage> {
    await this.checkFleet(request);
    this.refuseUnlessAwake();
    const home = await this.opening.latest;
    this.idle.touch();
    return pageOfResidents(home, this.storage, from);
  }

  /** Whether the fleet asks. @throws SpriteSyncError `bad-pass` */
  private async checkFleet(request: IncomingMessage): Promise<void> {
    const { role } = this.deps;
    if (role.kind !== "home") throw new SpriteSyncError("bad-pass", "this server is no fleet's");
    await checkPass(request, role.home, role.passKeys);
  }

  private get pendingStores(): number {
    return this.home?.ledger.pending ?? 0;
  }

  /** Whether it has nothing to end: nobody came yet, and its host pauses it. */
  private get waitsForPause(): boolean {
    return this.deps.guest !== undefined && this.opened === 0 && this.phase !== "storage-failed";
  }

  private async authorize(request: IncomingMessage): Promise<string> {
    this.refuseUnlessAwake();
    this.upgrades++;
    try {
      const { role } = this.deps;
      const pass = role.kind === "home" && (await checkPass(request, role.home, role.passKeys));
      // Begun while the storage opens; what it has to say matters only if that succeeds.
      const period = pass && role.kind === "home" ? role.periods.begin(pass.after) : undefined;
      if (period) this.counting = period.catch(() => undefined);
      // Who comes while it is tried again is not held up, and holds nothing up: visitors must not keep it from sleeping.
      if (this.phase === "storage-failed" || !(await this.opening.latest)) {
        throw new SpriteSyncError("storage-failed", "the storage of this Sprite does not open; see its log");
      }
      // Only now: whoever has no pass must not be able to keep a Sprite awake, and billed. Nor those whom it refuses
      // because its storage did not open: the process after this one tries that again.
      this.idle.touch();
      if (period) this.period = await period;
      this.refuseUnlessAwake();
      return pass ? pass.session : "single";
    } finally {
      this.upgrades--;
    }
  }

  private refuseUnlessAwake(): void {
    if (this.phase === "asleep" || this.phase === "stopping") {
      throw new SpriteSyncError("asleep", "this Sprite is going to sleep; try again");
    }
  }

  private attach(socket: WebSocket, session: string): void {
    const { home } = this;
    const { role, log } = this.deps;
    if (!home || this.phase !== "open") {
      socket.close(CLOSE.restart, this.boot);
      return;
    }
    const id = `${role.kind}-${++this.opened}`;
    const ofSession = withFields(log, { upstream: id, session });
    const upstream = new Upstream({
      socket,
      id,
      home,
      log: ofSession,
      onActivity: () => this.idle.touch(),
      onClosed: (closed) => {
        this.upstreams.delete(closed);
        ofSession.info({}, "upstream closed");
      },
    });
    this.upstreams.add(upstream);
    ofSession.info({}, "upstream opened");
    if (role.kind === "home") {
      upstream.sendText(
        helloMessage({
          home: role.home,
          boot: this.boot,
          period: this.period,
          version: versionOf(this.deps.setup),
        }),
      );
    }
    this.diskNews.tell(upstream);
    upstream.ping(Date.now());
  }

  private checkIdle(): void {
    if (this.phase === "stopping" || this.phase === "asleep") return;
    if (this.idle.check()) void this.fallAsleep("nothing happens");
  }

  private busyness(): Busyness {
    const { home } = this;
    return {
      pendingOnDisk: this.pendingStores + (home?.touched.loading ?? 0),
      queued: home?.node.syncManager.messagesQueue.queues.length ?? 0,
      busyUpstreams: [...this.upstreams].filter((upstream) => !upstream.isQuiet).length,
      upgrades: this.upgrades,
    };
  }

  /** From here on nothing that arrives counts: what the edge sent and was not acknowledged, it sends again. */
  private async fallAsleep(why: string): Promise<void> {
    this.phase = "asleep";
    this.ended.abort();
    this.deps.log.info({ upstreams: this.upstreams.size }, `${why}; going to sleep`);
    this.parents?.close();
    for (const upstream of this.upstreams) upstream.deafen();
    const [messenger] = this.upstreams;
    // After a failed write nobody knows what is on the disk.
    const diskFails = this.storage?.state?.kind === "failed";
    const isSure = !diskFails && this.busyness().pendingOnDisk === 0;
    // Of a period in which nobody came the coordinator has never heard.
    if (isSure && this.opened > 0)
      await this.farewell?.say(messenger && ((text) => messenger.sendAlone(text)));
    // What a failing disk did not take its clients have to bring again; nobody else would wake it for that.
    this.closeUpstreams(diskFails && this.pendingStores > 0 ? CLOSE.restart : CLOSE.asleep);
    this.deps.onAsleep();
  }

  private closeUpstreams(code: number): void {
    this.parents?.close();
    for (const upstream of [...this.upstreams]) upstream.close(code, this.boot);
  }

  private async stop(): Promise<void> {
    if (this.phase !== "asleep") this.phase = "stopping";
    this.ended.abort();
    for (const timer of this.timers) clearInterval(timer);
    this.closeUpstreams(CLOSE.restart);
    const home = await this.opening.latest;
    if (home) {
      await waitWhile(() => home.ledger.pending > 0, LIMITS.shutdownMs / 2);
      await this.backups?.close(LIMITS.backupAtStopMs);
      await home.close();
    }
    // The last frames are on their way: the process must not end under them.
    await waitWhile(() => this.upstreams.size > 0, GOODBYE_MS);
    for (const upstream of this.upstreams) upstream.terminate();
    // Whoever stops a Sprite may take its disk away next.
    await this.counting;
    await this.hold?.close();
    await this.deps.listener.close();
  }

  private every(ms: number, what: () => void): void {
    this.timers.push(setInterval(what, ms));
  }
}
