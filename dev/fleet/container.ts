import { get } from "node:http";
import { constants } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { dial } from "./dial.ts";
import { docker } from "./docker-command.ts";
import type { Exit, Run } from "./runner.ts";

/** How often a service is asked whether it listens: a small part of what a container takes to start. */
const PROBE_PAUSE_MS = 20;
/** For one answer: a Sprite that still loads its program answers when it has. */
const PROBE_TIMEOUT_MS = 10_000;
/** A signal that comes before the container exists is tried again. */
const SIGNAL_TRIES = 200;
const SIGNAL_PAUSE_MS = 50;
/** What `docker run` exits with when there was no container to run. */
const NO_CONTAINER = 125;
/** A program that a signal ended exits with this and the signal's number, as in a shell. */
const SIGNALLED = 128;

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
 * @param client the docker command that the container is attached to.
 * @param complaint what that command has said for itself, if anything.
 */
export function containerRun(machineId: string, client: Run, complaint: () => string): Run {
  const name = containerName(machineId);
  let ended = false;
  const exited = client.exited.then(async (exit) => {
    ended = true;
    if (exit.signal) await removeContainers([machineId]).catch(() => undefined);
    return containerExit(exit, complaint());
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
    while (!ended && !listens) {
      listens = await answers(client.port);
      if (!listens) await delay(PROBE_PAUSE_MS);
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
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({
      host: "127.0.0.1",
      port,
      path: "/healthz",
      agent: false,
      signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
    });
    request.once("response", (response) => {
      response.destroy();
      resolve(true);
    });
    request.on("error", () => resolve(false));
  });
}

/** How the container ended, from how its docker command did. */
function containerExit({ code, signal }: Exit, complaint: string): Exit {
  if (code === NO_CONTAINER && complaint) return { code, signal, reason: complaint };
  const number = (code ?? 0) - SIGNALLED;
  const [name] = Object.entries(constants.signals).find(([, value]) => value === number) ?? [];
  return name ? { code: null, signal: name as NodeJS.Signals } : { code, signal };
}
