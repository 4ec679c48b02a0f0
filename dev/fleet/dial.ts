import { connect, type Socket } from "node:net";

/** A connection to a port of this computer, or `undefined` when nothing listens there. */
export function dial(port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => resolve(socket));
    socket.once("error", () => resolve(undefined));
  });
}
