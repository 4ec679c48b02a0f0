import { execFile, spawn } from "node:child_process";
import { promisify } from "node:util";
import { freePort } from "./free-port.ts";
import { runOf } from "./process-runner.ts";
import type { OnOutput, Runner, RunSpec } from "./runner.ts";

const run = promisify(execFile);

/** The container's name: the Machine's id, so that a restarted host finds and replaces what a killed one left. */
export function containerName(machineId: string): string {
  return `sprite-${machineId}`;
}

/**
 * Arguments of `docker` that run a Machine's image in the foreground: the exit code of `docker run` is the container's.
 * Secrets are named and not given (`-e NAME`): docker takes their values from its own environment, and no process list
 * shows them.
 */
export function dockerRunArgs(spec: RunSpec, port: number): string[] {
  const env = { ...spec.env, PORT: String(spec.internalPort) };
  return [
    "run",
    "--rm",
    "--init",
    `--name=${containerName(spec.machineId)}`,
    `--publish=127.0.0.1:${port}:${spec.internalPort}`,
    `--volume=${spec.volumeDir}:${spec.mountPath}`,
    `--cpus=${spec.cpus}`,
    `--memory=${spec.memoryMb}m`,
    // The Sprite follows its foreign groups through the edge, which runs on the host (design §3.5).
    "--add-host=host.docker.internal:host-gateway",
    ...Object.entries(env).map(([key, value]) => `--env=${key}=${value}`),
    ...Object.keys(spec.secrets).map((key) => `--env=${key}`),
    spec.image,
  ];
}

/** Runs Machines as containers of their image; needs the `docker` command. */
export function dockerRunner(onOutput?: OnOutput): Runner {
  return {
    async start(spec) {
      const port = await freePort();
      const name = containerName(spec.machineId);
      // A host that was killed leaves its containers; docker refuses a second one of the same name.
      await run("docker", ["rm", "--force", name]);
      const child = spawn("docker", dockerRunArgs(spec, port), {
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
        env: { ...process.env, ...spec.secrets },
      });
      const client = await runOf(child, port, (line) => onOutput?.(spec, line));
      return {
        ...client,
        // Signals go to the container, not to the docker command: that one cannot pass SIGKILL on.
        signal: (signal) =>
          void run("docker", ["kill", `--signal=${signal}`, name]).catch(() => {
            // No such container: it has exited, or is not there yet and the command's end is all that can be had.
            client.signal(signal);
          }),
        pause: async () => void (await run("docker", ["pause", name])),
        resume: async () => void (await run("docker", ["unpause", name])),
      };
    },
  };
}
