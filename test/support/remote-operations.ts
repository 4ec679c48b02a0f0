import { type ForkOptions, fork } from "node:child_process";

/** A process of its own whose operations are called over IPC. */
export interface Remote<Operations> {
  readonly call: Operations;
  readonly pid: number | undefined;
  close(): Promise<void>;
}

type Call = { readonly call: number; readonly name: string; readonly args: never[] };
type AnyOperations = Readonly<Record<string, (...args: never[]) => unknown>>;

/** Starts `script`, which answers with {@link serveOperations}; `name` is for errors. */
export function startRemote<Operations>(
  script: string,
  name: string,
  options: ForkOptions & { readonly args?: readonly string[] } = {},
): Remote<Operations> {
  const { args = [], ...forkOptions } = options;
  const child = fork(script, args, { stdio: ["ignore", "inherit", "inherit", "ipc"], ...forkOptions });
  const calls = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let last = 0;
  child.on("message", ({ call, value, error }: { call: number; value?: unknown; error?: string }) => {
    if (error) calls.get(call)?.reject(new Error(error));
    else calls.get(call)?.resolve(value);
    calls.delete(call);
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  void exited.then(() => {
    for (const { reject } of calls.values()) reject(new Error(`the process of ${name} has ended`));
  });
  const invoke = (operation: string, given: unknown[]) =>
    new Promise((resolve, reject) => {
      last++;
      calls.set(last, { resolve, reject });
      child.send({ call: last, name: operation, args: given });
    });
  const call = new Proxy({} as object, {
    get: (_, operation) =>
      typeof operation === "symbol" || operation === "then" ? undefined : invokeOf(operation),
  });
  const invokeOf =
    (operation: string) =>
    (...given: unknown[]) =>
      invoke(operation, given);
  return {
    call: call as Operations,
    pid: child.pid,
    async close() {
      child.kill();
      await exited;
    },
  };
}

/** In the process: answers each call with what the operation returns, or with its error. */
export function serveOperations(operations: AnyOperations): void {
  process.on("message", async ({ call, name, args }: Call) => {
    try {
      const operation = operations[name];
      if (!operation) throw new Error(`there is no operation ${name}`);
      process.send?.({ call, value: await operation(...args) });
    } catch (error) {
      process.send?.({
        call,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    }
  });
}
