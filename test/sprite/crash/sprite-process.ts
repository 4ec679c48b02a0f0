import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { performance } from "node:perf_hooks";
import { createInterface } from "node:readline";
import type { GroupId } from "../../../shared/ids.ts";

export const PASS_SECRET = "a-secret-for-crashes-of-at-least-32-characters";

/** Lines of its log that are kept, to be shown when something is wrong. */
const LAST_LINES = 40;

export interface SpriteProcessOptions {
  /** The bundled Sprite, a JavaScript file. */
  readonly bundle: string;
  readonly home: GroupId;
  /** The store's directory. */
  readonly data: string;
  readonly durability: "flush" | "fsync";
  readonly passKeys?: string;
  /** Seconds without traffic before it sleeps; never unless given. */
  readonly sleepAfter?: number;
}

/** A Sprite as a process of its own, started to be killed. */
export class SpriteProcess {
  /** The port, as soon as it listens. Rejects when the process ends before. */
  readonly port: Promise<number>;
  readonly exit: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  readonly #child: ChildProcess;
  readonly #started = performance.now();
  readonly #lines: string[] = [];
  #readyAfterMs: number | undefined;

  constructor(options: SpriteProcessOptions) {
    const { bundle, home, data, durability, passKeys = PASS_SECRET, sleepAfter = 0 } = options;
    const env = {
      SPRITE_HOME: home,
      PORT: "0",
      SPRITE_DATA: data,
      PASS_KEYS: passKeys,
      SPRITE_SLEEP_AFTER: String(sleepAfter),
      SPRITE_DURABILITY: durability,
    };
    // The node that runs this, not the one that PATH finds.
    this.#child = spawn(process.execPath, [bundle], { env, stdio: ["ignore", "pipe", "pipe"] });
    const orphan = () => void this.#child.kill("SIGKILL");
    process.once("exit", orphan);
    this.exit = once(this.#child, "exit").then(([code, signal]) => {
      process.off("exit", orphan);
      return { code, signal };
    });
    this.port = this.#listening();
    // Whoever kills it while it opens does not wait for it.
    this.port.catch(() => undefined);
  }

  /** Milliseconds from its start until its storage was open; `undefined` while it is not. */
  get readyAfterMs(): number | undefined {
    return this.#readyAfterMs;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The end of its log. */
  get lastWords(): string {
    return this.#lines.join("\n");
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it with SIGKILL, whatever it is doing, and waits until it is gone. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.exit;
  }

  #listening(): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (!stream) continue;
      createInterface({ input: stream }).on("line", (line) => {
        this.#lines.push(line);
        if (this.#lines.length > LAST_LINES) this.#lines.shift();
        if (line.includes('"storage open"')) this.#readyAfterMs = performance.now() - this.#started;
        if (line.includes('"listening"')) resolve((JSON.parse(line) as { port: number }).port);
      });
    }
    void this.exit.then(({ code }) => reject(new Error(`the Sprite ended with ${code} before it listened`)));
    return promise;
  }
}
