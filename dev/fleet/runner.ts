import type { Socket } from "node:net";

/** A Machine that shall run, as its runner needs to know it. */
export interface RunSpec {
  readonly machineId: string;
  readonly name: string;
  readonly image: string;
  readonly cpus: number;
  readonly memoryMb: number;
  /** Directory of the mounted volume; it exists. */
  readonly volumeDir: string;
  /** Where the Machine mounts its volume: a path inside the container. */
  readonly mountPath: string;
  /** The port its server listens on inside the container. */
  readonly internalPort: number;
  /** Environment from the Machine's config, and Fly's own names. */
  readonly env: Readonly<Record<string, string>>;
  /** The app's secrets: environment too, but never on a command line. */
  readonly secrets: Readonly<Record<string, string>>;
}

/** How a run ended: an exit code, or the signal that killed it. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why there was nothing to run, in the words of the program that should have run it. */
  readonly reason?: string;
}

/** One run of a Machine, from boot to exit. */
export interface Run {
  /** Port on 127.0.0.1 where the Machine's service will answer, some time after the start. */
  readonly port: number;
  readonly pid: number;
  /** Resolves once, when the process is gone; never rejects. */
  readonly exited: Promise<Exit>;
  /** A connection to that service, or `undefined` while it does not listen. */
  dial(): Promise<Socket | undefined>;
  signal(signal: NodeJS.Signals): void;
  /** Stops all its computing and keeps its memory, as a suspended Machine. */
  pause(): Promise<void>;
  resume(): Promise<void>;
}

/** What runs Machines on this computer: processes, or containers. */
export interface Runner {
  /** Resolves when the process exists; its server may need longer. @throws when it cannot be started at all. */
  start(spec: RunSpec): Promise<Run>;
  /**
   * Ends what an earlier host that was killed left running of these Machines. Absent where a process id says enough.
   * @returns the ids of those that it ended.
   */
  endLeftovers?(machineIds: readonly string[]): Promise<string[]>;
}

/** Called with each line that a Machine writes to its stdout or stderr. */
export type OnOutput = (spec: RunSpec, line: string) => void;
