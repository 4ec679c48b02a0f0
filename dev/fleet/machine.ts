import type { Socket } from "node:net";
import type { BootFault } from "./faults.ts";
import { newUlid } from "./fly-ids.ts";
import type { MachineConfig, MachineEvent, MachineRecord, MachineState } from "./fly-model.ts";
import { Refusal } from "./refusal.ts";
import { createRestartCount } from "./restart-count.ts";
import type { Exit, Run, Runner, RunSpec } from "./runner.ts";
import { createWaiters, type Waiters } from "./waiters.ts";

/** Who asked for a change: the API's user, the proxy (autostart), or Fly itself (restart policy, exit). */
export type Source = "user" | "proxy" | "flyd";

export interface MachineDeps {
  /** Whether the host ends: a call that was under way then must not start a process that nobody would stop. */
  readonly isClosing: () => boolean;
  readonly runner: Runner;
  readonly runSpec: (record: MachineRecord) => Promise<RunSpec>;
  readonly takeBootFault: (machine: { readonly name: string }) => BootFault | undefined;
  /** Called after every change of state, with the exit that caused it if one did. */
  readonly changed: (machine: Machine, source: Source, exit?: Exit) => void;
  /** Called when its runner could not do what it was asked for, such as start a program that is not there. */
  readonly runnerFailed: (machine: Machine, error: Error) => void;
}

const EVENTS_KEPT = 20;
const DEFAULT_GRACE_MS = 5_000;

/**
 * One Machine and its life.
 *
 * 1. At most one run exists at any time; only `#boot` makes one and only its exit ends it.
 * 2. `#enter` alone changes the state, and tells everybody.
 * 3. What a run's exit means is decided by the state at that moment: `stopping` and `destroying` were asked for, code 0 is
 *    falling asleep, everything else is for the restart policy.
 */
export class Machine {
  readonly record: MachineRecord;
  readonly #deps: MachineDeps;
  readonly #waiters: Waiters = createWaiters();
  readonly #restarts = createRestartCount();
  #run: Run | undefined;
  #booting: Promise<void> | undefined;
  #restartTimer: NodeJS.Timeout | undefined;
  #killTimer: NodeJS.Timeout | undefined;
  #stopSignal: NodeJS.Signals = "SIGTERM";
  #stopGraceMs = DEFAULT_GRACE_MS;
  #cancelHold: (() => void) | undefined;

  constructor(record: MachineRecord, deps: MachineDeps) {
    this.record = record;
    this.#deps = deps;
  }

  get state(): MachineState {
    return this.record.state;
  }

  /** Port of its service on 127.0.0.1 while it is started. It may not listen there yet. */
  get port(): number | undefined {
    return this.state === "started" ? this.#run?.port : undefined;
  }

  /** A connection to its service; `undefined` when it does not run, or does not listen yet. */
  async dial(): Promise<Socket | undefined> {
    return this.#run?.dial();
  }

  get pid(): number | undefined {
    return this.#run?.pid;
  }

  get config(): MachineConfig {
    return this.record.config;
  }

  /** @throws Refusal 412 from a state that cannot be started (facts/fly-machines §1.6). */
  start(source: Source): MachineState {
    const previous = this.state;
    switch (previous) {
      case "started":
        break;
      case "suspended":
        void this.#resume(source);
        break;
      case "created":
      case "stopped":
      case "failed":
        this.#boot(source);
        break;
      default:
        throw new Refusal(
          412,
          `failed_precondition: unable to start machine from current state: '${previous}'`,
        );
    }
    return previous;
  }

  stop(signal: NodeJS.Signals, graceMs: number): void {
    switch (this.state) {
      case "stopped":
      case "created":
      case "stopping":
        return;
      case "failed":
        this.#enter("stopped", "user", "stop");
        return;
      case "restarting":
        clearTimeout(this.#restartTimer);
        this.#enter("stopped", "user", "stop");
        return;
      case "destroying":
      case "destroyed":
        throw new Refusal(
          412,
          `failed_precondition: unable to stop machine from current state: '${this.state}'`,
        );
      default:
        this.#stopSignal = signal;
        this.#stopGraceMs = graceMs;
        this.#enter("stopping", "user", "stop");
        this.#terminate();
    }
  }

  /** Pauses the process and drops its connections; memory is kept until it is stopped or this host ends. */
  async suspend(): Promise<void> {
    if (this.state !== "started" || !this.#run) {
      throw new Refusal(
        412,
        `failed_precondition: unable to suspend machine from current state: '${this.state}'`,
      );
    }
    this.#enter("suspending", "user", "suspend");
    const paused = await this.#run.pause().then(
      () => true,
      (error: Error) => this.#deps.runnerFailed(this, error),
    );
    // It may have been stopped while we paused it.
    if (this.#is("suspending")) this.#enter(paused ? "suspended" : "started", "user", "suspend");
  }

  /** @throws Refusal 412 when it runs and `force` is not set. */
  destroy(force: boolean): void {
    if (this.state === "destroyed" || this.state === "destroying") return;
    if (!force && !["stopped", "suspended", "created", "failed"].includes(this.state)) {
      throw new Refusal(412, `failed_precondition: unable to destroy machine, not currently stopped`);
    }
    clearTimeout(this.#restartTimer);
    this.#stopSignal = "SIGKILL";
    this.#enter("destroying", "user", "destroy");
    if (this.#run || this.#booting) this.#terminate();
    else this.#enter("destroyed", "flyd", "destroy");
  }

  /** Sends a signal to the process, as an accident would: what follows is the restart policy's. */
  kill(signal: NodeJS.Signals): void {
    this.#run?.signal(signal);
  }

  /** Resolves with the state as soon as it is one of `states`, or with `undefined` after `timeoutMs` or the abort. */
  wait(
    states: readonly MachineState[],
    timeoutMs: number,
    abort: AbortSignal,
  ): Promise<MachineState | undefined> {
    if (states.includes(this.state)) return Promise.resolve(this.state);
    return this.#waiters.wait(states, timeoutMs, abort);
  }

  /** Ends the process because this host ends: nothing is restarted. Resolves when it is gone. */
  async shutdown(graceMs: number): Promise<void> {
    clearTimeout(this.#restartTimer);
    this.#cancelHold?.();
    if (this.state === "restarting") this.#enter("stopped", "flyd", "stop");
    if (this.#run || this.#booting) {
      this.#stopSignal = "SIGTERM";
      this.#stopGraceMs = graceMs;
      if (this.state !== "stopping" && this.state !== "destroying") this.#enter("stopping", "flyd", "stop");
      this.#terminate();
      await this.#waiters.wait(["stopped", "destroyed", "failed"], Number.POSITIVE_INFINITY);
    }
    this.#waiters.giveUp();
  }

  #boot(source: Source): void {
    if (this.#deps.isClosing()) throw new Refusal(503, "unavailable: the fleet host is closing");
    this.#enter("starting", source, "start");
    const boot = this.#bootRun()
      .then((run) => this.#booted(run, source))
      .catch((error: Error) => this.#bootFailed(error))
      .finally(() => {
        if (this.#booting === boot) this.#booting = undefined;
      });
    this.#booting = boot;
  }

  async #bootRun(): Promise<Run> {
    const fault = this.#deps.takeBootFault(this.record);
    if (fault?.kind === "hold") {
      const ended = new Promise<never>((_, reject) => {
        this.#cancelHold = () => reject(new Error("the host ends"));
      });
      await Promise.race([fault.until, ended]);
    }
    if (fault?.kind === "fail") throw new Error("told to fail");
    return this.#deps.runner.start(await this.#deps.runSpec(this.record));
  }

  #booted(run: Run, source: Source): void {
    this.#run = run;
    void run.exited.then((exit) => this.#exited(exit));
    // Somebody stopped or destroyed it while it booted.
    if (this.state !== "starting") this.#terminate();
    else this.#enter("started", source, "start");
  }

  #bootFailed(error: Error): void {
    this.#deps.runnerFailed(this, error);
    if (this.state === "destroying") this.#enter("destroyed", "flyd", "destroy");
    else this.#enter(this.state === "stopping" ? "stopped" : "failed", "flyd", "launch");
  }

  async #resume(source: Source): Promise<void> {
    this.#enter("starting", source, "start");
    try {
      await this.#run?.resume();
    } catch (error) {
      this.#deps.runnerFailed(this, error as Error);
      // Its memory cannot be had back: it starts anew, as Fly does when a snapshot is lost (facts/fly-machines §2.5).
      this.#run?.signal("SIGKILL");
    }
    if (this.#is("starting")) this.#enter("started", source, "start");
  }

  /** The state now: other than a comparison, it does not let the compiler believe in an earlier one. */
  #is(state: MachineState): boolean {
    return this.record.state === state;
  }

  #terminate(): void {
    const run = this.#run;
    if (!run) return;
    run.signal(this.#stopSignal);
    // A paused process acts on the signal only once it runs again.
    void run.resume().catch(() => undefined);
    clearTimeout(this.#killTimer);
    this.#killTimer = setTimeout(() => run.signal("SIGKILL"), this.#stopGraceMs);
  }

  #exited(exit: Exit): void {
    this.#run = undefined;
    clearTimeout(this.#killTimer);
    this.#enter(this.#stateAfter(exit), "flyd", "exit", exit);
  }

  #stateAfter(exit: Exit): MachineState {
    if (this.state === "destroying") return "destroyed";
    if (this.state === "stopping") return "stopped";
    const { policy = "on-failure", max_retries = 10 } = this.config.restart ?? {};
    const again = policy === "always" || (policy === "on-failure" && exit.code !== 0);
    const pauseMs = again ? this.#restarts.next(max_retries) : undefined;
    if (pauseMs === undefined) return "stopped";
    this.#restartTimer = setTimeout(() => this.#boot("flyd"), pauseMs);
    return "restarting";
  }

  #enter(state: MachineState, source: Source, type: string, exit?: Exit): void {
    this.record.state = state;
    this.record.updated_at = new Date().toISOString();
    if (this.#run) this.record.pid = this.#run.pid;
    else delete this.record.pid;
    this.record.events.unshift(eventOf(type, state, source, exit));
    this.record.events.splice(EVENTS_KEPT);
    this.#deps.changed(this, source, exit);
    this.#waiters.tell(state);
  }
}

function eventOf(type: string, status: string, source: string, exit: Exit | undefined): MachineEvent {
  const event = { id: newUlid(), type, status, source, timestamp: Date.now() };
  if (!exit) return event;
  return { ...event, request: { exit_event: { exit_code: exit.code ?? -1, signal: exit.signal ?? "" } } };
}
