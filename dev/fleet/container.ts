import { get } from "node:http";
import { constants } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { dial } from "./dial.ts";
import { docker } from "./docker-command.ts";
import type { Exit, Run } from "./runner.ts";

/** How often a service is asked whether it listens: a small part of what a container takes to start. */
const PROBE_PAUSE_MS = 20;
/** For the first answer, and at most for one: a program that still loads answers when it has. */
const PROBE_MS = { first: 100, most: 10_000 };
/**
 * What a silent container gets before it is asked. Who connects before the container has its network waits a second for the
 * next try of the address resolution (ARP), far longer than a Sprite takes to start; its first line says that it has one.
 */
const SILENT_MS = 1_000;
/** A signal that comes before the container exists is tried again. */
const SIGNAL_TRIES = 200;
const SIGNAL_PAUSE_MS = 50;
/** What `docker run` exits with when there was no container to run. */
const NO_CONTAINER = 125;
/** A program that a signal ended exits with this and the signal's number, as in a shell. */
const SIGNALLED = 128;

/** The docker command that a container is attached to. */
export interface DockerClient extends Run {
  /** Resolves with the container's first line of output. */
  readonly spoke: Promise<void>;
  /** What the command has said for itself, if anything. */
  readonly complaint: () => string;
}

/** The container's name: the Machine's id, so that a restarted host finds and replaces what a killed one left. */
export function containerName(machineId: string): string {
  return `sprite-${machineId}`;
}

/** Removes these Machines' containers, whatever they are doing. Those that are not there are no error. */
export async function removeContainers(machineIds: readonly string[]): Promise<void> {
  if (machineIds.length === 0) return;
  await docker("rm", "--force", ...machineIds.map(containerName)).catch((error: Error) => {
    if (!/no such container/i.test(error.message)) throw error;
  });
}

/**
 * The run of a container.
 *
 * 1. Orders to docker are given one after the other: what was asked for first happens first.
 * 2. Signals go to the container, not to the docker command, which cannot pass SIGKILL on.
 * 3. When the run has ended there is no container: none goes on without its docker command.
 *
 */
export function containerRun(machineId: string, client: DockerClient): Run {
  const name = containerName(machineId);
  let ended = false;
  const exited = client.exited.then(async (exit) => {
    ended = true;
    if (exit.signal) await removeContainers([machineId]).catch(() => undefined);
    return containerExit(exit, client.complaint());
  });
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = (order: () => Promise<unknown>): Promise<void> => {
    const done = last.then(order).then(() => undefined);
    last = done.catch(() => undefined);
    return done;
  };
  const pause = () => inTurn(() => docker("pause", name));
  const resume = () => inTurn(() => docker("unpause", name));

  async function kill(signal: NodeJS.Signals): Promise<void> {
    for (let tries = 0; tries < SIGNAL_TRIES && !ended; tries++) {
      const sent = await docker("kill", `--signal=${signal}`, name).then(
        () => true,
        () => false,
      );
      if (sent) return;
      await delay(SIGNAL_PAUSE_MS);
    }
    if (!ended) client.signal(signal);
  }

  let listens = false;
  void (async () => {
    await Promise.race([client.spoke, delay(SILENT_MS)]);
    for (let timeoutMs = PROBE_MS.first; !ended && !listens; ) {
      const answer = await probe(client.port, timeoutMs);
      listens = answer === "listens";
      if (answer === "hangs") timeoutMs = Math.min(2 * timeoutMs, PROBE_MS.most);
      else if (!listens) await delay(PROBE_PAUSE_MS);
    }
  })();

  return {
    port: client.port,
    pid: client.pid,
    exited,
    dial: async () => (listens ? dial(client.port) : undefined),
    signal(signal) {
      // The first process of a container is its init: stopped alone, it would leave the program running.
      if (signal === "SIGSTOP") pause().catch(() => undefined);
      else if (signal === "SIGCONT") resume().catch(() => undefined);
      else void inTurn(() => kill(signal));
    },
    pause,
    resume,
  };
}

/**
 * Whether a service behind a published port answers HTTP. Connecting says nothing: docker takes connections for a container
 * whose program does not listen yet, and then resets them. Any answer will do.
 */
function probe(port: number, timeoutMs: number): Promise<"listens" | "refuses" | "hangs"> {
  return new Promise((resolve) => {
    const over = AbortSignal.timeout(timeoutMs);
    const request = get({ host: "127.0.0.1", port, path: "/healthz", agent: false, signal: over });
    request.once("response", (response) => {
      response.destroy();
      resolve("listens");
    });
    request.on("error", () => resolve(over.aborted ? "hangs" : "refuses"));
  });
}

/** How the container ended, from how its docker command did. */
function containerExit({ code, signal }: Exit, complaint: string): Exit {
  if (code === NO_CONTAINER && complaint) return { code, signal, reason: complaint };
  const number = (code ?? 0) - SIGNALLED;
  const [name] = Object.entries(constants.signals).find(([, value]) => value === number) ?? [];
  return name ? { code: null, signal: name as NodeJS.Signals } : { code, signal };
}
