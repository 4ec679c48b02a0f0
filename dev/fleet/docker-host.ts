import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
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
  const config = JSON.parse(
    await docker("network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}"),
  ) as Subnet[] | null;
  const doors = await Promise.all(gatewaysOf(config ?? []).map((host) => openDoor(host, port)));
  return async () => void (await Promise.all(doors.map((close) => close?.())));
}

/** A network's addresses, as `docker network inspect` tells them. */
export interface Subnet {
  readonly Subnet?: string;
  readonly Gateway?: string;
}

/** The host's own IPv4 addresses in a bridge: where docker names none, it has taken the first of the subnet. */
export function gatewaysOf(config: readonly Subnet[]): string[] {
  return config.flatMap(({ Subnet = "", Gateway }) => {
    const [, network, last] = /^(\d+\.\d+\.\d+)\.(\d+)\//.exec(Subnet) ?? [];
    if (!network) return [];
    return [Gateway || `${network}.${Number(last) + 1}`];
  });
}

/** @returns what ends it, or `undefined` where the address is not this computer's: it is Docker Desktop's own. */
async function openDoor(host: string, port: number): Promise<(() => Promise<void>) | undefined> {
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
  try {
    await once(server, "listening");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EADDRNOTAVAIL") return undefined;
    throw new SpriteSyncError(
      "config-invalid",
      `containers must reach the edge on ${host}:${port}, which cannot be listened on (${message}); name another --port`,
      { cause: error },
    );
  }
  return async () => {
    const closed = once(server, "close");
    server.close();
    for (const visitor of open) visitor.destroy();
    await closed;
  };
}
