import { describe, expect, it } from "vitest";
import { dockerRunArgs } from "../../dev/fleet/docker-runner.ts";

describe("a Machine as a container", () => {
  const args = dockerRunArgs(
    {
      machineId: "90801679a10038",
      name: "g-x",
      image: "sprite-sync:local",
      cpus: 2,
      memoryMb: 512,
      volumeDir: "/home/me/my data/vol_1",
      mountPath: "/data",
      internalPort: 8080,
      env: { SPRITE_HOME: "co_zHome", PORT: "1", FLY_MACHINE_ID: "90801679a10038" },
      secrets: { PASS_KEYS: "top-secret" },
    },
    45_678,
  );

  it("has its port on this computer only, its volume at the mount's path, and the guest's size", () => {
    expect(args).toEqual(
      expect.arrayContaining([
        "--publish=127.0.0.1:45678:8080",
        "--volume=/home/me/my data/vol_1:/data",
        "--cpus=2",
        "--memory=512m",
        "--env=PORT=8080",
        "--env=SPRITE_HOME=co_zHome",
      ]),
    );
    expect([args[0], args.at(-1)]).toEqual(["run", "sprite-sync:local"]);
  });

  it("is named for its Machine and removed when it ends, so that the next start finds the name free", () => {
    expect(args).toEqual(expect.arrayContaining(["--name=sprite-90801679a10038", "--rm"]));
  });

  it("can write its volume and /tmp only, has no rights that its entry point does not need, and can get none", () => {
    expect(args).toEqual(
      expect.arrayContaining([
        "--read-only",
        "--tmpfs=/tmp",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
      ]),
    );
  });

  it("is never downloaded when it wakes, and not asked for its health by a process inside", () => {
    expect(args).toEqual(expect.arrayContaining(["--pull=never", "--no-healthcheck"]));
  });

  it("gets the app's secrets by name: no process list shows them", () => {
    expect(args).toContain("--env=PASS_KEYS");
    expect(args.join(" ")).not.toContain("top-secret");
  });
});
