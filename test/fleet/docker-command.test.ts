import { describe, expect, test } from "vitest";
import { docker, dockerProblem } from "../../dev/fleet/docker-command.ts";
import { gatewaysOf } from "../../dev/fleet/docker-host.ts";
import { imageExists } from "../../dev/fleet/docker-image.ts";
import { SpriteSyncError } from "../../shared/errors.ts";

/** What Docker's command line writes (versions 20.10 and 28), and what a developer can do about it. */
describe("a failed docker command", () => {
  const failure = (stderr: string) => dockerProblem({ name: "Error", message: "", code: 1, stderr });

  test.each([
    [
      "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n",
      /engine does not run \(Cannot connect .*\); start Docker Desktop or `systemctl start docker`$/,
    ],
    [
      "error during connect: this error may indicate that the docker daemon is not running: open //./pipe/docker_engine\n",
      /engine does not run .*; start Docker Desktop/,
    ],
    [
      "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock\n",
      /^this user may not use docker .*; add it to the group docker/,
    ],
    ["Error response from daemon: No such image: x:1\n", /^docker says: .*No such image: x:1$/],
  ])("is a sentence with its cause: %s", (stderr, sentence) => {
    expect(failure(stderr)).toMatch(sentence);
    expect(failure(stderr)).not.toContain("\n");
  });

  test("that did not end in time is one as well", () => {
    expect(dockerProblem({ name: "Error", message: "", code: null, killed: true })).toMatch(/restart/);
  });

  test("is thrown as one, also where there is no docker", async () => {
    await expect(docker("no-such-command")).rejects.toThrow(SpriteSyncError);
  });
});

test.each(["", "--privileged", "-v", "a b", "x;y", "x".repeat(300)])(
  "what is no image's name never becomes an option of docker: %s",
  async (name) => {
    await expect(imageExists(name)).rejects.toThrow(/no name of an image/);
  },
);

test.each([
  [[{ Subnet: "172.17.0.0/16", Gateway: "172.17.0.1" }], ["172.17.0.1"]],
  [[{ Subnet: "172.17.0.0/16" }], ["172.17.0.1"]],
  [[{ Subnet: "10.9.8.64/26" }, { Subnet: "fd00::/64", Gateway: "fd00::1" }], ["10.9.8.65"]],
  [[], []],
])("the host's address in docker's bridge is the gateway, told or not: %j", (config, gateways) => {
  expect(gatewaysOf(config)).toEqual(gateways);
});
