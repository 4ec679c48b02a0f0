import { fileURLToPath } from "node:url";
import { SpriteSyncError } from "../shared/errors.ts";
import {
  buildImage,
  dockerEngine,
  dockerRunner,
  HOST_NAME,
  needImage,
  openToContainers,
} from "./fleet/index.ts";
import { SPRITE_IMAGE, type StackOptions } from "./stack.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/**
 * The Sprites' image: the one that is named, or one that is built from here.
 * @throws SpriteSyncError `config-invalid`, saying what to do.
 */
export async function prepareImage(name: string | undefined): Promise<void> {
  await dockerEngine().catch(({ message }: Error) => {
    const instead = "or leave --docker out: Sprites then run as processes";
    throw new SpriteSyncError("config-invalid", `${message}, ${instead}`);
  });
  if (name === undefined) await buildImage(ROOT, SPRITE_IMAGE);
  else await needImage(name);
}

/** The stack's options for Sprites that run as containers. */
export function inContainers(
  logLevel: "debug" | "info",
  onLine: (sprite: string, line: string) => void,
): Pick<StackOptions, "runner" | "hostSeenBySprites" | "openToSprites"> {
  return {
    runner: dockerRunner({
      env: { LOG_LEVEL: logLevel },
      onOutput: ({ name }, line) => onLine(name, line),
    }),
    hostSeenBySprites: HOST_NAME,
    openToSprites: openToContainers,
  };
}
