export type { ApiExchange } from "./api-server.ts";
export { dockerEngine } from "./docker-command.ts";
export { HOST_NAME, openToContainers } from "./docker-host.ts";
export { buildImage, imageExists, needImage } from "./docker-image.ts";
export { type DockerRunnerOptions, dockerRunner } from "./docker-runner.ts";
export type { Answer, ApiCall, ApiFault, BootFault, FaultHandle, FaultOptions, Faults } from "./faults.ts";
export {
  type FleetHost,
  type FleetHostOptions,
  type MachineChange,
  type MachineSnapshot,
  startFleetHost,
} from "./fleet-host.ts";
export { freePort } from "./free-port.ts";
export { type Command, processRunner } from "./process-runner.ts";
export type { Exit, OnOutput, Run, Runner, RunSpec } from "./runner.ts";
export type { SpritesExchange } from "./sprites/api-server.ts";
export { type SpritesHost, type SpritesHostOptions, startSpritesHost } from "./sprites/sprites-host.ts";
