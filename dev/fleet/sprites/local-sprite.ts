import { mkdir } from "node:fs/promises";
import type { BootFault } from "../faults.ts";
import { Refusal } from "../refusal.ts";
import { type GuestServer, startGuestServer } from "./guest-server.ts";
import { GUEST_HOME, type ServiceDefinition, type SpriteState, type SpriteStatus } from "./model.ts";
import { LocalService, type ServiceEvent } from "./service.ts";
import { createTasks } from "./tasks.ts";

export interface LocalSpriteDeps {
  /** Directory that stands for its disk. */
  readonly root: string;
  readonly idleMs: number;
  readonly coldAfterMs: number;
  readonly env: Readonly<Record<string, string>>;
  readonly isClosing: () => boolean;
  /** @throws Refusal 429 when the plan's running cap is reached. */
  readonly takeSlot: (sprite: LocalSprite) => void;
  readonly takeBootFault: (sprite: { readonly name: string }) => BootFault | undefined;
  readonly cutConnections: (sprite: LocalSprite) => void;
  readonly changed: (sprite: LocalSprite) => void;
  readonly serviceEvent: (sprite: LocalSprite, event: ServiceEvent) => void;
}

/**
 * One local Sprite and its life: `cold` → `running` ⇄ `warm` → `cold`.
 *
 * 1. Work is what keeps it running: connections to its URL, calls of the API that use it, tasks that its programs hold. A
 *    service alone does not.
 * 2. A pause, warm or cold, cuts every connection. Warm keeps the processes' memory (SIGSTOP), cold does not (SIGKILL).
 * 3. `#enter` alone changes the status.
 */
export class LocalSprite {
  readonly state: SpriteState;
  readonly services = new Map<string, LocalService>();
  /** What its programs hold it awake for. */
  readonly tasks = createTasks(() => this.#beginWork());
  readonly #deps: LocalSpriteDeps;
  #guest: GuestServer | undefined;
  #status: SpriteStatus = "cold";
  #waking: Promise<void> | undefined;
  #work = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(state: SpriteState, deps: LocalSpriteDeps) {
    this.state = state;
    this.#deps = deps;
    for (const service of state.services) this.services.set(service.name, this.#service(service));
  }

  get name(): string {
    return this.state.name;
  }

  get status(): SpriteStatus {
    return this.#status;
  }

  /** The service that the URL leads to. */
  get httpService(): LocalService | undefined {
    return [...this.services.values()].find(({ definition }) => definition.http_port !== undefined);
  }

  /** A path inside the Sprite as a path of this computer. */
  toLocal = (text: string): string =>
    text === GUEST_HOME || text.startsWith(`${GUEST_HOME}/`) ? this.#deps.root + text : text;

  /**
   * Wakes it and keeps it running until the result is called.
   * @throws Refusal when it cannot run now.
   */
  async work(): Promise<() => void> {
    const end = this.#beginWork();
    try {
      await this.#wake();
    } catch (error) {
      end();
      throw error;
    }
    return end;
  }

  #beginWork(): () => void {
    this.#work++;
    clearTimeout(this.#timer);
    let done = false;
    return () => {
      if (done) return;
      done = true;
      if (--this.#work === 0) this.#rest();
    };
  }

  /** Pauses it whatever it does, as memory pressure or maintenance would. */
  async pause(how: "warm" | "cold"): Promise<void> {
    clearTimeout(this.#timer);
    if (how === "cold" ? this.#status === "cold" : this.#status !== "running") return;
    if (how === "warm") for (const service of this.services.values()) service.pause();
    else {
      await Promise.all([...this.services.values()].map((service) => service.kill()));
      this.tasks.clear();
    }
    this.#enter(how);
    this.#deps.cutConnections(this);
    if (how === "warm") this.#timer = setTimeout(() => void this.pause("cold"), this.#deps.coldAfterMs);
  }

  /** Ends its processes in order because this host ends, or because it is deleted. */
  async shutdown(graceMs: number): Promise<void> {
    clearTimeout(this.#timer);
    await this.#waking?.catch(() => undefined);
    await Promise.all([...this.services.values()].map((service) => service.stop(graceMs)));
    this.tasks.clear();
    await this.#guest?.close();
    this.#guest = undefined;
    this.#enter("cold");
    this.#deps.cutConnections(this);
  }

  /** Creates a service or changes one; a running process goes on with its old definition until it is restarted. */
  define(
    name: string,
    definition: ServiceDefinition,
  ): { service: LocalService; was: "new" | "same" | "changed" } {
    const known = this.services.get(name);
    if (!known) {
      const state = { name, definition, stopped: false };
      const service = this.#service(state);
      this.services.set(name, service);
      this.state.services.push(state);
      return { service, was: "new" };
    }
    const same = JSON.stringify(known.definition) === JSON.stringify(definition);
    known.state.definition = definition;
    return { service: known, was: same ? "same" : "changed" };
  }

  async #wake(): Promise<void> {
    if (this.#status === "running") return;
    this.#waking ??= this.#wakeNow().finally(() => {
      this.#waking = undefined;
    });
    return this.#waking;
  }

  async #wakeNow(): Promise<void> {
    if (this.#deps.isClosing()) throw new Refusal(503, "the local host is closing");
    this.#deps.takeSlot(this);
    const fault = this.#deps.takeBootFault(this);
    if (fault?.kind === "hold") await fault.until;
    if (fault?.kind === "fail" || this.#deps.isClosing())
      throw new Refusal(503, "sprite runtime is not ready");
    await mkdir(this.toLocal(GUEST_HOME), { recursive: true });
    this.#guest ??= await startGuestServer(this.tasks);
    const wasWarm = this.#status === "warm";
    this.#enter("running");
    for (const service of this.services.values()) {
      if (wasWarm) service.resume();
      if (!service.state.stopped) service.start();
    }
  }

  #rest(): void {
    clearTimeout(this.#timer);
    if (this.#status === "running" && !this.#deps.isClosing())
      this.#timer = setTimeout(() => void this.pause("warm"), this.#deps.idleMs);
  }

  #enter(status: SpriteStatus): void {
    if (this.#status === status) return;
    this.#status = status;
    this.state.updated_at = new Date().toISOString();
    if (status === "running") this.state.last_running_at = this.state.updated_at;
    this.#deps.changed(this);
  }

  #service(state: SpriteState["services"][number]): LocalService {
    return new LocalService(state, {
      toLocal: this.toLocal,
      env: () => ({ ...this.#deps.env, ...(this.#guest && { SPRITE_RUNTIME_SOCKET: this.#guest.path }) }),
      tell: (event) => this.#deps.serviceEvent(this, event),
      changed: () => this.#deps.changed(this),
    });
  }
}
