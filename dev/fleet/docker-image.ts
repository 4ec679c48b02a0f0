import { spawn } from "node:child_process";
import { once } from "node:events";
import { SpriteSyncError } from "../../shared/errors.ts";
import { docker } from "./docker-command.ts";

/** Names as docker takes them: `[host[:port]/]path[:tag][@digest]`, and never what looks like an option. */
const IMAGE_NAME = /^[a-z0-9][\w.:/@-]{0,254}$/i;

/** Whether the engine has this image already: nothing is pulled. @throws SpriteSyncError for what is no image's name. */
export async function imageExists(name: string): Promise<boolean> {
  if (!IMAGE_NAME.test(name)) throw new SpriteSyncError("config-invalid", `${name} is no name of an image`);
  return docker("image", "inspect", "--format", "{{.Id}}", name).then(
    () => true,
    (error: SpriteSyncError) => {
      if (/no such image/i.test(error.message)) return false;
      throw error;
    },
  );
}

/** @throws SpriteSyncError with what to do, unless the engine has this image. */
export async function needImage(name: string): Promise<void> {
  if (await imageExists(name)) return;
  throw new SpriteSyncError(
    "config-invalid",
    `docker has no image ${name}; \`docker pull ${name}\` brings it from a registry, and without --image one is built`,
  );
}

/**
 * Builds `Dockerfile.sprite`, with whichever builder this docker has. Its output goes to our terminal.
 * @param root directory of the repository.
 * @throws SpriteSyncError with what to do when it cannot be built.
 */
export async function buildImage(root: string, tag: string): Promise<void> {
  const args = ["build", "--file", "Dockerfile.sprite", "--tag", tag, "."];
  const build = spawn("docker", args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  const [code] = (await once(build, "exit")) as [number | null];
  if (code === 0) return;
  throw new SpriteSyncError(
    "config-invalid",
    "the Sprites' image could not be built; docker says why above. Where the base image cannot be pulled: " +
      `docker build --build-arg BASE_IMAGE=NAME -f Dockerfile.sprite -t ${tag} . takes another, and ` +
      `npm run dev -- --docker --image ${tag} uses what that has built`,
  );
}
