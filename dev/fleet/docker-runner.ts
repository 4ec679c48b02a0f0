import { spawn } from "node:child_process";
import { containerName, containerRun, removeContainers } from "./container.ts";
import { docker } from "./docker-command.ts";
import { HOST_NAME } from "./docker-host.ts";
import { freePort } from "./free-port.ts";
import { runOf } from "./process-runner.ts";
import type { OnOutput, Runner, RunSpec } from "./runner.ts";

export interface DockerRunnerOptions {
  readonly onOutput?: OnOutput | undefined;
  /** Environment below the Machines' own. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * What stays of root's rights for the image's entry point: it gives the volume to the user `node` and becomes that user.
 * KILL is for the container's init, which passes signals on to a process that is no longer root's.
 */
const CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"];
const CONFINEMENT = [
  "--cap-drop=ALL",
  ...CAPABILITIES.map((name) => `--cap-add=${name}`),
  "--security-opt=no-new-privileges",
  "--read-only",
  "--tmpfs=/tmp",
  "--pids-limit=256",
];

/**
 * Arguments of `docker` that run a Machine's image in the foreground: the exit code of `docker run` is the container's.
 * Secrets are named and not given (`-e NAME`): docker takes their values from its own environment, and no process list
 * shows them.
 */
export function dockerRunArgs(spec: RunSpec, port: number, below: DockerRunnerOptions["env"] = {}): string[] {
  const env = { ...below, ...spec.env, PORT: String(spec.internalPort) };
  return [
    "run",
    "--rm",
    "--init",
    // A wake must not turn into a download: what shall run was built or chosen at the start.
    "--pull=never",
    // The image's own check starts a Node process every ten seconds; the runner asks once, from outside.
    "--no-healthcheck",
    `--name=${containerName(spec.machineId)}`,
    `--publish=127.0.0.1:${port}:${spec.internalPort}`,
    `--volume=${spec.volumeDir}:${spec.mountPath}`,
    `--cpus=${spec.cpus}`,
    `--memory=${spec.memoryMb}m`,
    ...CONFINEMENT,
    // The Sprite follows its foreign groups through the edge, which runs on the host.
    `--add-host=${HOST_NAME}:host-gateway`,
    ...Object.entries(env).map(([key, value]) => `--env=${key}=${value}`),
    ...Object.keys(spec.secrets).map((key) => `--env=${key}`),
    spec.image,
  ];
}

/** Runs Machines as containers of their image; needs the `docker` command and its engine. */
export function dockerRunner({ onOutput, env }: DockerRunnerOptions = {}): Runner {
  return {
    async start(spec) {
      const port = await freePort();
      // Docker refuses a second container of the same name, and one may be left.
      await removeContainers([spec.machineId]);
      const child = spawn("docker", dockerRunArgs(spec, port, env), {
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
        env: { ...process.env, ...spec.secrets },
      });
      let complaint = "";
      const { promise: spoke, resolve: onFirstLine } = Promise.withResolvers<void>();
      const client = await runOf(child, port, (line) => {
        if (line.startsWith("docker: ")) complaint = line;
        onFirstLine();
        onOutput?.(spec, line);
      });
      return containerRun(spec.machineId, { ...client, spoke, complaint: () => complaint });
    },
    async endLeftovers(machineIds) {
      const running = (await docker("ps", "--all", "--filter=name=sprite-", "--format={{.Names}}")).split(
        "\n",
      );
      const left = machineIds.filter((id) => running.includes(containerName(id)));
      await removeContainers(left);
      return left;
    },
  };
}
