import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { SpriteSyncError } from "../../shared/errors.ts";

const run = promisify(execFile);

/** An engine that does not answer must not hold up a command of ours without an end. Docker Desktop takes seconds to wake. */
const TIMEOUT_MS = 60_000;

/** What `promisify(execFile)` rejects with. */
interface Failure extends Error {
  /** The exit code, or the system's code for a program that could not be started. */
  readonly code?: number | string | null;
  /** Whether it was killed because its time was over. */
  readonly killed?: boolean;
  readonly stderr?: string;
}

/**
 * Runs one `docker` command and returns what it printed.
 * @throws SpriteSyncError `config-invalid`: one sentence with the cause in docker's words, and what to do.
 */
export async function docker(...args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run("docker", args, { timeout: TIMEOUT_MS });
    return stdout.trim();
  } catch (error) {
    throw new SpriteSyncError("config-invalid", dockerProblem(error as Failure), { cause: error });
  }
}

/** What is wrong with docker, in one sentence that says what to do. */
export function dockerProblem({ code, killed, stderr = "", message }: Failure): string {
  if (code === "ENOENT") {
    return "there is no docker command on this computer; install Docker Engine or Docker Desktop";
  }
  if (killed) return "docker does not answer; restart its engine";
  const words = (stderr.trim().split("\n").at(-1) || message).replace(/^(error|docker): /i, "").trim();
  if (/permission denied/i.test(words)) {
    return `this user may not use docker (${words}); add it to the group docker and log in again`;
  }
  if (/cannot connect|failed to connect|error during connect|is the docker daemon running/i.test(words)) {
    return `docker's engine does not run (${words}); start Docker Desktop or \`systemctl start docker\``;
  }
  return `docker says: ${words}`;
}

/**
 * Whether there is an engine to run containers with.
 * @returns its version. @throws SpriteSyncError `config-invalid` that says what to do.
 */
export function dockerEngine(): Promise<string> {
  return docker("version", "--format", "{{.Server.Version}}");
}
