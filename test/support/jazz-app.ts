import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Operations } from "./jazz-process.ts";

const SCRIPT = fileURLToPath(new URL("./jazz-process.ts", import.meta.url));

/** A jazz-tools app in its own process: every operation of jazz-process.ts as a method. */
export type JazzApp = Operations & {
  readonly accountId: string;
  readonly pid: number;
  close(): Promise<void>;
};

/** Starts a jazz-tools app with a new account called `name`. */
export async function startJazzApp(syncUrl: string, name: string): Promise<JazzApp> {
  const child = fork(SCRIPT, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const calls = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let last = 0;
  child.on("message", ({ call, value, error }: { call: number; value?: unknown; error?: string }) => {
    if (error) calls.get(call)?.reject(new Error(error));
    else calls.get(call)?.resolve(value);
    calls.delete(call);
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  void exited.then(() => {
    for (const { reject } of calls.values()) reject(new Error(`the app of ${name} has ended`));
  });
  const invoke = (operation: string, args: unknown[]) =>
    new Promise((resolve, reject) => {
      last++;
      calls.set(last, { resolve, reject });
      child.send({ call: last, name: operation, args });
    });
  const accountId = (await invoke("open", [syncUrl, name])) as string;
  const close = async () => {
    child.kill();
    await exited;
  };
  const own = { accountId, pid: child.pid, close };
  return new Proxy(own as unknown as JazzApp, {
    get: (target, key) => {
      if (key in own || typeof key === "symbol" || key === "then") return Reflect.get(target, key);
      return (...args: unknown[]) => invoke(key, args);
    },
  });
}
