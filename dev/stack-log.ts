import type { Log, LogFields } from "../shared/log.ts";
import { homeOfSprite } from "../shared/sprite-name.ts";
import type { MachineChange } from "./fleet/index.ts";

type Level = keyof Log;

interface Line {
  readonly level: Level;
  readonly message: string;
  readonly fields: LogFields;
}

const WORDS: Readonly<Record<string, string>> = {
  starting: "waking",
  started: "awake",
  stopped: "asleep",
};

/** The developer's log of a whole stack: what its parts say as JSON, and what becomes of its Sprites, as one kind of lines. */
export class StackLog {
  readonly #log: Log;
  readonly #verbose: boolean;
  /** Sprites whose process has said that it listens, and has not ended since. */
  readonly #listening = new Set<string>();
  readonly #lastWord = new Map<string, string>();

  /** @param verbose whether Sprites' lines are shown that are no warnings. */
  constructor(log: Log, verbose: boolean) {
    this.#log = log;
    this.#verbose = verbose;
  }

  /** A Machine changed its state. */
  machine({ name, state, source, exit }: MachineChange): void {
    // Stopped while it was stopped: paused first, and now its memory was dropped as well.
    const isColder = state === "stopped" && this.#lastWord.get(name) === WORDS.stopped;
    if (exit || isColder || state === "destroyed") this.#listening.delete(name);
    // That its process runs is not yet that it answers; unless it was only paused.
    const answers = state !== "started" || this.#listening.has(name);
    const how = exit?.signal ?? (exit?.code ? `exit code ${exit.code}` : undefined);
    const details = `${how ? ` (${how})` : ""}${source === "user" ? ", as asked" : ""}`;
    this.#tell(name, answers ? (WORDS[state] ?? state) : "waking", details);
    if (state === "destroyed") this.#lastWord.delete(name);
  }

  /** A Sprite wrote a line. */
  sprite(name: string, text: string): void {
    const line = parseLine(text);
    if (!line) {
      this.#log.debug({ sprite: name }, text);
      return;
    }
    const { level, message, fields } = line;
    if (this.#verbose || level === "warn" || level === "error")
      this.#log[level](fields, `Sprite: ${message}`);
    if (message !== "listening") return;
    this.#listening.add(name);
    this.#tell(name, "awake");
  }

  /** The edge wrote a line, or the workerd that it runs in. */
  edge(text: string, isError: boolean): void {
    const line = parseLine(text);
    if (line) this.#log[line.level](line.fields, `edge: ${line.message}`);
    else this.#log[levelOfWorkerd(text, isError)]({}, `edge: ${text}`);
  }

  #tell(name: string, word: string, details = ""): void {
    // A Machine says twice that it starts, and a Sprite that was only paused wakes without listening again.
    if (this.#lastWord.get(name) === word && word !== WORDS.stopped) return;
    this.#lastWord.set(name, word);
    this.#log.info({}, `Sprite of ${homeOfSprite(name) ?? name}: ${word}${details}`);
  }
}

/** What workerd says itself, in place of the Worker: it writes warnings where it writes errors. */
export function levelOfWorkerd(text: string, isError: boolean): Level {
  if (!isError) return "info";
  return /^Warning: |\.c\+\+:\d+: warning: /.test(text) ? "warn" : "error";
}

/** A line of the edge's log, or of pino's. `undefined` when it is neither. */
function parseLine(text: string): Line | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    const { level, message, msg, time: _, ...fields } = JSON.parse(text) as LogFields;
    const said = message ?? msg;
    const known = typeof level === "number" ? levelOf(level) : LEVELS.find((name) => name === level);
    return typeof said === "string" && known ? { level: known, message: said, fields } : undefined;
  } catch {
    return undefined;
  }
}

const LEVELS: readonly Level[] = ["debug", "info", "warn", "error"];

/** pino's numbers. */
function levelOf(level: number): Level {
  if (level >= 50) return "error";
  if (level >= 40) return "warn";
  return level >= 30 ? "info" : "debug";
}
