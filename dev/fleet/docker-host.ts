import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { pipeline } from "node:stream";
import { SpriteSyncError } from "../../shared/errors.ts";
import { docker } from "./docker-command.ts";

/** This computer's name inside a container; `docker run --add-host` makes it one on Linux as well. */
export const HOST_NAME = "host.docker.internal";

/**
 * Lets containers reach a port that listens on 127.0.0.1. Docker Desktop does that by itself. On Linux {@link HOST_NAME} is
 * the address of docker's bridge, where nothing listens: there, and on no other address, connections are taken and passed on.
 * @returns what ends it. @throws SpriteSyncError when the port is taken there.
 */
export async function openToContainers(port: number): Promise<() => Promise<void>> {
  const gateways = (
    await docker("network", "inspect", "bridge", "--format", "{{range .IPAM.Config}}{{.Gateway}} {{end}}")
  ).split(" ");
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const bridges = own.filter(({ address }) => gateways.includes(address)).map(({ address }) => address);
  const doors = await Promise.all(bridges.map((host) => openDoor(host, port)));
  return async () => void (await Promise.all(doors.map((close) => close())));
}

async function openDoor(host: string, port: number): Promise<() => Promise<void>> {
  const open = new Set<Socket>();
  const server = createServer((visitor) => {
    open.add(visitor);
    visitor.once("close", () => open.delete(visitor));
    const inside = connect({ host: "127.0.0.1", port });
    for (const socket of [visitor, inside]) socket.setNoDelay(true);
    // The one goes when the other goes, in good order or not: `pipeline` sees to it, and there is nothing to add.
    pipeline(visitor, inside, visitor, () => undefined);
  });
  server.listen(port, host);
  await once(server, "listening").catch((error: Error) => {
    throw new SpriteSyncError(
      "config-invalid",
      `containers must reach the edge on ${host}:${port}, which cannot be listened on (${error.message}); name another --port`,
      { cause: error },
    );
  });
  return async () => {
    const closed = once(server, "close");
    server.close();
    for (const visitor of open) visitor.destroy();
    await closed;
  };
}
