import { spawn } from "node:child_process";
import { dirname } from "node:path";
import { freePort } from "../free-port.ts";
import { inherited, runOf } from "../process-runner.ts";
import { createRestartCount } from "../restart-count.ts";
import type { Exit, Run } from "../runner.ts";
import type { ServiceDefinition, ServiceState } from "./model.ts";

/** What a service's manager tells: the events of the API's streams. */
export type ServiceEvent =
  | { readonly type: "started" }
  | { readonly type: "stdout"; readonly data: string }
  | { readonly type: "exit"; readonly exit: Exit }
  | { readonly type: "error"; readonly data: string };

export interface ServiceDeps {
  /** A path inside the Sprite as a path of this computer; anything else as it is. */
  readonly toLocal: (text: string) => string;
  /** Environment below the definition's own. */
  readonly env: () => Readonly<Record<string, string>>;
  readonly tell: (event: ServiceEvent) => void;
  readonly changed: () => void;
}

/** Restarts that are made before the manager gives a service up; the platform's number is not documented. */
const MAX_RESTARTS = 20;
const STOP_MS = 10_000;

/**
 * A service of a local Sprite: one process that is started again whenever it ends by itself, also with exit code 0
 * (docs.sprites.dev, "Services": "a service process that exits on its own gets restarted by the runtime").
 *
 * 1. At most one run exists, and only `#boot` makes one.
 * 2. Every change of what is wanted (`start`, `stop`, `kill`) has a number; a boot or a restart of an older one is void.
 */
export class LocalService {
  readonly state: ServiceState;
  readonly #deps: ServiceDeps;
  readonly #listeners = new Set<(event: ServiceEvent) => void>();
  #restarts = createRestartCount();
  #run: Run | undefined;
  #wish = 0;
  /** The wish whose boot is under way; 0 for none. */
  #bootOf = 0;
  #timer: NodeJS.Timeout | undefined;
  #failed: string | undefined;

  constructor(state: ServiceState, deps: ServiceDeps) {
    this.state = state;
    this.#deps = deps;
  }

  get definition(): ServiceDefinition {
    return this.state.definition;
  }

  /** Port of this computer on which its `http_port` answers, some time after its start. */
  get port(): number | undefined {
    return this.#run?.port;
  }

  get pid(): number | undefined {
    return this.#run?.pid;
  }

  get status(): "stopped" | "starting" | "running" | "failed" {
    if (this.#run) return "running";
    if (this.#failed) return "failed";
    return this.#timer || this.#booting ? "starting" : "stopped";
  }

  get error(): string | undefined {
    return this.#failed;
  }

  onEvent(listener: (event: ServiceEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Starts its process if it has none. */
  start(): void {
    if (this.#run || this.#booting) return;
    this.#restarts = createRestartCount();
    this.#failed = undefined;
    this.#boot(++this.#wish);
  }

  /** SIGTERM, SIGKILL after a while. Resolves when the process is gone. */
  async stop(graceMs = STOP_MS): Promise<void> {
    this.#forget();
    const run = this.#run;
    if (!run) return;
    run.signal("SIGTERM");
    // A paused process acts on the signal only once it runs again.
    await run.resume();
    const timer = setTimeout(() => run.signal("SIGKILL"), graceMs);
    await run.exited;
    clearTimeout(timer);
  }

  /** The end of all memory: what a cold pause does to a process. */
  async kill(): Promise<void> {
    this.#forget();
    const run = this.#run;
    run?.signal("SIGKILL");
    await run?.exited;
  }

  /** A signal that nobody asked for: the manager restarts it if it dies of it. */
  signal(signal: NodeJS.Signals): void {
    this.#run?.signal(signal);
  }

  /** Freezes its process. One that was about to start does not: nothing runs in a Sprite that is paused. */
  pause(): void {
    if (this.#run) void this.#run.pause();
    else this.#forget();
  }

  resume(): void {
    void this.#run?.resume();
  }

  get #booting(): boolean {
    return this.#bootOf === this.#wish && this.#wish > 0;
  }

  #forget(): void {
    this.#wish++;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #boot(wish: number): void {
    this.#timer = undefined;
    this.#bootOf = wish;
    this.#spawn().then(
      (run) => this.#booted(run, wish),
      (error: Error) => {
        this.#failed = error.message;
        this.#bootOf = 0;
        this.#tell({ type: "error", data: error.message });
      },
    );
  }

  #booted(run: Run, wish: number): void {
    this.#bootOf = 0;
    if (wish !== this.#wish) {
      run.signal("SIGKILL");
      return;
    }
    this.#run = run;
    this.state.pid = run.pid;
    this.#tell({ type: "started" });
    this.#deps.changed();
    void run.exited.then((exit) => this.#exited(exit, wish));
  }

  #exited(exit: Exit, wish: number): void {
    this.#run = undefined;
    delete this.state.pid;
    this.#tell({ type: "exit", exit });
    this.#deps.changed();
    if (wish !== this.#wish) return;
    const pauseMs = this.#restarts.next(MAX_RESTARTS);
    if (pauseMs === undefined) this.#failed = `exited with code ${exit.code ?? exit.signal}`;
    else this.#timer = setTimeout(() => this.#boot(wish), pauseMs);
  }

  async #spawn(): Promise<Run> {
    const { cmd, args = [], dir = "/home/sprite", env = {} } = this.definition;
    const { toLocal } = this.#deps;
    const port = await freePort();
    const own = Object.fromEntries(Object.entries(env).map(([key, value]) => [key, toLocal(value)]));
    const base = inherited();
    const child = spawn(toLocal(cmd), args.map(toLocal), {
      cwd: toLocal(dir),
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
      // `node` is the Node that runs us: a Sprite has its own.
      env: {
        ...base,
        PATH: `${dirname(process.execPath)}:${base.PATH ?? ""}`,
        ...this.#deps.env(),
        ...own,
        PORT: String(port),
      },
    });
    return runOf(child, port, (data) => this.#tell({ type: "stdout", data }));
  }

  #tell(event: ServiceEvent): void {
    this.#deps.tell(event);
    for (const listener of [...this.#listeners]) listener(event);
  }
}
