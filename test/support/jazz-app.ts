import { fileURLToPath } from "node:url";
import type { Operations } from "./jazz-process.ts";
import { startRemote } from "./remote-operations.ts";

const SCRIPT = fileURLToPath(new URL("./jazz-process.ts", import.meta.url));

/** A jazz-tools app in its own process: every operation of jazz-process.ts as a method. */
export type JazzApp = Operations & {
  readonly accountId: string;
  readonly pid: number;
  close(): Promise<void>;
};

/** Starts a jazz-tools app with a new account called `name`. */
export async function startJazzApp(syncUrl: string, name: string): Promise<JazzApp> {
  const { call, pid, close } = startRemote<Operations>(SCRIPT, name);
  const accountId = await call.open(syncUrl, name);
  const own = { accountId, pid, close };
  return new Proxy(own as unknown as JazzApp, {
    get: (target, key) => (key in own ? Reflect.get(target, key) : Reflect.get(call, key)),
  });
}
