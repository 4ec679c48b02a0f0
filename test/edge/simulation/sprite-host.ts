import { helloMessage } from "../../../shared/control.ts";
import { type DigestRecord, recordOf } from "../../../shared/digest.ts";
import { SpriteSyncError } from "../../../shared/errors.ts";
import type { CoValueId, GroupId } from "../../../shared/ids.ts";
import {
  cloneKnownState,
  emptyKnownState,
  type KnownState,
  mergeKnownState,
} from "../../../shared/known-state.ts";
import type { End } from "./network.ts";
import { SpriteProcess } from "./sprite-process.ts";
import type { Disk } from "./stores.ts";
import type { World } from "./world.ts";

/** The machine of one Sprite: runs at most one process, on a disk that survives it unless it is lost. */
export class SpriteHost {
  readonly home: GroupId;
  readonly #world: World;
  disk: Disk;
  #snapshot: Disk | undefined;
  #marks = 0;
  /** The disk is another one than before, and nothing was stored on it yet: its coordinator need not have heard of it. */
  isDiskUnseen = false;
  state: "absent" | "stopped" | "booting" | "running" = "absent";
  process: SpriteProcess | undefined;
  boots = 0;
  /** How long the next boot takes (ms). */
  nextBootMs = 0;
  refusesUntil = 0;
  diskMs = 5;
  /** After so many more stores it crashes, with those that have begun. */
  storesToCrash = 0;
  diskLost = 0;
  /** Everything that was ever on this home's disk. */
  readonly everDurable = new Map<CoValueId, KnownState>();
  /** When something of a value was on the disk for the first time. */
  readonly firstDurable = new Map<CoValueId, number>();
  #id = 0;
  #waiting: (() => void)[] = [];

  constructor(home: GroupId, world: World) {
    this.home = home;
    this.#world = world;
    this.disk = this.#newDisk();
  }

  get isAwake(): boolean {
    return this.state === "booting" || this.process?.phase === "open";
  }

  get machine(): string {
    return `${this.home}#${this.#id}`;
  }

  create(): void {
    if (this.state !== "absent") return;
    this.state = "stopped";
    this.#id++;
  }

  /** Powers it on, if it is off. */
  start(cause: string): void {
    if (this.state !== "stopped") return;
    this.state = "booting";
    this.boots++;
    this.#world.booted(this, cause);
    const { scheduler, chance } = this.#world;
    const ms = this.nextBootMs || chance.between(50, 800);
    if (this.nextBootMs) this.#world.count("slow wake");
    this.nextBootMs = 0;
    const boots = this.boots;
    scheduler.later(ms, () => {
      if (this.state === "booting" && this.boots === boots) this.#run();
    });
  }

  /** The process dies, with all that is not on disk. */
  crash(): boolean {
    if (this.state !== "running" && this.state !== "booting") return false;
    this.process?.kill();
    this.#off();
    return true;
  }

  /** It is told to stop, as by a new deployment. */
  stop(): boolean {
    if (this.process?.phase !== "open") return false;
    this.process.stop();
    return true;
  }

  loseDisk(): boolean {
    if (this.disk.values.size === 0) return false;
    this.crash();
    this.disk = this.#newDisk();
    this.isDiskUnseen = true;
    this.diskLost++;
    return true;
  }

  /** Keeps a copy of the disk; the next time, goes back to it. */
  snapshot(): boolean {
    const copy = this.#snapshot;
    if (!copy) {
      const values = new Map(
        [...this.disk.values].map(([id, state]) => [id, cloneKnownState(state)] as const),
      );
      this.#snapshot = { ...this.disk, values };
      return values.size > 0;
    }
    this.crash();
    this.disk = copy;
    this.#snapshot = undefined;
    this.isDiskUnseen = true;
    this.diskLost++;
    this.#world.count("disk restored");
    return true;
  }

  /** Whether the disk holds values in the states that these records name, unless it was replaced without a trace. */
  hasExactly(records: readonly DigestRecord[]): boolean {
    const all = new Set([...this.disk.values].map(([id, state]) => recordOf(id, state)));
    return this.isDiskUnseen || records.every((record) => all.has(record));
  }

  readonly #newMark = (): string => `${this.home.slice(4, 9)}-${++this.#marks}`;

  #newDisk(): Disk {
    return { values: new Map(), periods: undefined, mark: this.#newMark() };
  }

  /** The machine and its disk are gone; its replacement has another id. */
  vanish(): boolean {
    if (this.state === "absent" || !this.loseDisk()) return false;
    this.state = "absent";
    return true;
  }

  pause(ms: number): boolean {
    const { process } = this;
    if (!process || process.paused || process.phase !== "open") return false;
    process.pause();
    this.#world.scheduler.later(ms, () => process.resume());
    return true;
  }

  /**
   * An upgrade, as it reaches the machine; fly-proxy may start one that is off.
   * @throws SpriteSyncError
   */
  async upgrade(end: End, after: number | undefined, machine: string, cause: string): Promise<void> {
    if (this.state === "absent" || machine !== this.machine)
      throw new SpriteSyncError("transient", "no such machine");
    if (this.state === "stopped") {
      if (!this.#world.proxyStarts) throw new SpriteSyncError("transient", "nobody listens");
      this.start(cause);
    }
    while (this.state === "booting")
      await new Promise<void>((resolve) => this.#waiting.push(() => resolve()));
    const { process } = this;
    if (!process) throw new SpriteSyncError("transient", "it died while it booted");
    if (process.paused) await new Promise(() => undefined);
    if (process.phase !== "open") throw new SpriteSyncError("asleep", "going to sleep");
    if (this.refusesUntil > this.#world.scheduler.time) {
      this.#world.count("refusal");
      throw new SpriteSyncError("transient", "refused");
    }
    process.touch();
    const period = this.#begin(process, after);
    const { home } = this;
    process.attach(end, helloMessage({ home, boot: process.boot, period, version: "sim" }));
  }

  #periods = new WeakMap<SpriteProcess, number>();

  #begin(process: SpriteProcess, after: number | undefined): number {
    const begun = this.#periods.get(process);
    if (begun !== undefined) {
      const raised = Math.max(begun, after !== undefined && after > begun ? after + 1 : 0);
      this.disk.periods = raised;
      this.#periods.set(process, raised);
      return raised;
    }
    const before = this.disk.periods;
    if (before === undefined && after === undefined) throw new SpriteSyncError("wrong-sprite", "new disk");
    const period = Math.max(before ?? 0, after ?? 0) + 1;
    this.disk.periods = period;
    this.#periods.set(process, period);
    return period;
  }

  #run(): void {
    const { scheduler, chance } = this.#world;
    this.state = "running";
    const boot = `boot-${this.home.slice(4, 8)}-${this.boots}`;
    this.process = new SpriteProcess({
      home: this.home,
      boot,
      disk: this.disk,
      scheduler,
      sleepAfterMs: this.#world.sleepAfterMs,
      room: this.#world.spriteRoom,
      newMark: this.#newMark,
      digest: () => ({
        ms: chance.between(1, 300),
        made: chance.chance(0.9),
        complete: chance.chance(0.9),
      }),
      // The Sprite waits for it for two seconds; it may be under way for longer, and arrive all the same.
      sayLastWord: (digest) =>
        scheduler.later(chance.between(1, 8_000), () => {
          this.#world.count("last word");
          const coordinator = this.#world.coordinator(this.home);
          void coordinator.call((host) => host.coordination.fellAsleep(boot, digest)).catch(() => undefined);
        }),
      diskMs: () => chance.between(1, this.diskMs),
      onDurable: (id, state) => {
        this.isDiskUnseen = false;
        if (!this.firstDurable.has(id)) this.firstDurable.set(id, scheduler.time);
        this.everDurable.set(id, mergeKnownState(this.everDurable.get(id) ?? emptyKnownState(), state));
        if (this.storesToCrash > 0 && --this.storesToCrash === 0) {
          this.#world.count("crash between two stores");
          scheduler.later(0, () => this.crash());
        }
      },
      onEnd: (phase) => {
        this.#world.count(phase === "asleep" ? "sleep" : "ordered stop");
        this.#off();
      },
      count: (what) => this.#world.count(what),
    });
    for (const go of this.#waiting.splice(0)) go();
  }

  #off(): void {
    this.state = "stopped";
    this.process = undefined;
    for (const go of this.#waiting.splice(0)) go();
  }
}
