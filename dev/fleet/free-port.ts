import { createServer } from "node:net";

/** A TCP port on 127.0.0.1 that nobody listens on now; somebody else may take it before we do. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => {
        if (typeof address === "object" && address) resolve(address.port);
        else reject(new Error("the system named no port"));
      });
    });
  });
}
