import type { ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { basename } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { Log, LogLevel, Miniflare, type WorkerOptions } from "miniflare";
import { unstable_getMiniflareWorkerOptions as workerOptionsOf } from "wrangler";
import { bundleEdge } from "./bundle-edge.ts";

export interface EdgeHostOptions {
  /** Port on 127.0.0.1. */
  readonly port: number;
  /** Directory of Durable Objects and KV; without it they are kept in memory. */
  readonly persistDir?: string | undefined;
  /** Overrides wrangler.toml's `[vars]`, and holds the secrets. */
  readonly vars: Readonly<Record<string, string>>;
  /** Limits by the names of wrangler.toml's `[[ratelimits]]`. Without it nothing is limited: here all come from one address. */
  readonly rateLimits?: RateLimits | undefined;
  /** Directory of the built demo page; without it there is none. */
  readonly demoDir?: string | undefined;
  /** What Cloudflare says of every visitor, as `request.cf`; nothing unless given. */
  readonly cf?: Readonly<Record<string, string>> | undefined;
  /** Told of each line that the Worker logs. */
  readonly onLog: (line: string, isError: boolean) => void;
  /** A module that exports what edge/worker.ts does, to be run instead: the edge with something around it. */
  readonly entry?: string | undefined;
  /** Edges on the one store of Durable Objects and KV, each in its own isolate; 1 is the default. */
  readonly edges?: number;
  /** Other Workers in the same workerd, each at an address of its own: what the edge is compared with. */
  readonly extraWorkers?: readonly ExtraWorker[];
}

/** How often something may happen in a period of so many seconds. */
export type RateLimits = Readonly<Record<string, { readonly limit: number; readonly period: 10 | 60 }>>;

export interface ExtraWorker {
  readonly name: string;
  /** An ES module. */
  readonly script: string;
  readonly vars?: Readonly<Record<string, string>>;
}

export interface EdgeHost {
  /** `ws://127.0.0.1:<port>/sync`. */
  readonly syncUrl: string;
  readonly pageUrl: string;
  /** The sync address of the nth edge; they share everything but the isolate. */
  syncUrlOf(edge: number): string;
  /** `ws://127.0.0.1:<port>` of an extra Worker. */
  extraUrlOf(name: string): string;
  /** workerd's process. */
  readonly pid: number | undefined;
  close(): Promise<void>;
}

const CONFIG = fileURLToPath(new URL("../wrangler.toml", import.meta.url));

/** Runs the real Worker in workerd, bound as wrangler.toml says. All that knows Miniflare's options is in this file. */
export async function startEdgeHost(options: EdgeHostOptions): Promise<EdgeHost> {
  const { workerOptions } = workerOptionsOf(CONFIG);
  const first = edgeWorker(
    "edge-0",
    workerOptions as WorkerOptions,
    await bundleEdge(options.entry),
    options,
  );
  const others = Array.from({ length: (options.edges ?? 1) - 1 }, (_, n) => twinOf(first, `edge-${n + 1}`));
  const extras = (options.extraWorkers ?? []).map((extra) => extraWorker(extra, first));
  const started = watchStarted("workerd");
  const miniflare = new Miniflare({
    host: "127.0.0.1",
    port: options.port,
    ...(options.persistDir && {
      durableObjectsPersist: `${options.persistDir}/durable-objects`,
      kvPersist: `${options.persistDir}/kv`,
    }),
    // Miniflare would fetch a sample of request.cf from the network.
    cf: options.cf ?? false,
    log: new Log(LogLevel.WARN),
    handleRuntimeStdio(stdout: Readable, stderr: Readable) {
      for (const [stream, isError] of [
        [stdout, false],
        [stderr, true],
      ] as const) {
        let rest = "";
        stream.setEncoding("utf8");
        stream.on("data", (text: string) => {
          const lines = (rest + text).split("\n");
          rest = lines.pop() ?? "";
          for (const line of lines) if (line.trim()) options.onLog(line, isError);
        });
      }
    },
    workers: [first, ...others, ...extras],
  });
  const url = await miniflare.ready.finally(started.end);
  const direct = await Promise.all(others.map((worker) => miniflare.unsafeGetDirectURL(worker.name)));
  const syncUrls = [url, ...direct].map(({ host }) => `ws://${host}/sync`);
  const extraUrls = new Map<string, string>();
  for (const { name } of extras)
    extraUrls.set(name, `ws://${(await miniflare.unsafeGetDirectURL(name)).host}`);
  return {
    syncUrl: `ws://${url.host}/sync`,
    pageUrl: `http://${url.host}/`,
    syncUrlOf: (edge) => {
      const syncUrl = syncUrls[edge];
      if (!syncUrl) throw new RangeError(`there is no edge ${edge}`);
      return syncUrl;
    },
    extraUrlOf: (name) => {
      const extraUrl = extraUrls.get(name);
      if (!extraUrl) throw new RangeError(`there is no extra Worker ${name}`);
      return extraUrl;
    },
    pid: started.pid(),
    close: () => miniflare.dispose(),
  };
}

/** Tells which process of a program has been started by now: Miniflare does not say it. */
function watchStarted(program: string): { pid(): number | undefined; end(): void } {
  let child: ChildProcess | undefined;
  // Told before the program is started; its file and its id are set later.
  const seen: ChildProcess[] = [];
  const onStart = (message: unknown) => void seen.push((message as { process: ChildProcess }).process);
  subscribe("child_process", onStart);
  return {
    pid: () => child?.pid,
    end() {
      unsubscribe("child_process", onStart);
      child = seen.findLast(({ spawnfile }) => basename(spawnfile ?? "").startsWith(program));
    },
  };
}

type NamedWorker = WorkerOptions & { name: string };

function edgeWorker(
  name: string,
  fromConfig: WorkerOptions,
  script: string,
  options: EdgeHostOptions,
): NamedWorker {
  const { assets, ratelimits, ...rest } = fromConfig as Omit<WorkerOptions, "ratelimits"> & {
    assets?: { directory?: string };
    ratelimits?: Record<string, { namespace_id: string }>;
  };
  const limits = Object.entries(ratelimits ?? {}).flatMap(([binding, { namespace_id }]) => {
    const simple = options.rateLimits?.[binding];
    return simple ? [[binding, { namespace_id, simple }] as const] : [];
  });
  return {
    ...rest,
    ratelimits: Object.fromEntries(limits),
    name,
    modules: [{ type: "ESModule", path: "worker.js", contents: script }],
    bindings: { ...(rest as { bindings?: object }).bindings, ...options.vars },
    ...(assets && options.demoDir && { assets: { ...assets, directory: options.demoDir } }),
    // Miniflare keeps one store for all workers; ids of KV namespaces make them shared.
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  } as NamedWorker;
}

/** The same Worker in another isolate, whose Durable Objects are those of `first`. */
function twinOf(first: NamedWorker, name: string): NamedWorker {
  const objects =
    (first as { durableObjects?: Record<string, string | { className: string }> }).durableObjects ?? {};
  const shared = Object.entries(objects).map(([binding, object]) => {
    const { className } = typeof object === "string" ? { className: object } : object;
    return [binding, { className, scriptName: first.name, useSQLite: true }];
  });
  const { assets: _, ...rest } = first as NamedWorker & { assets?: unknown };
  return { ...rest, name, durableObjects: Object.fromEntries(shared) } as NamedWorker;
}

/** A Worker with the edge's compatibility, so that both run under the same rules. */
function extraWorker({ name, script, vars }: ExtraWorker, like: NamedWorker): NamedWorker {
  return {
    name,
    modules: [{ type: "ESModule", path: "worker.js", contents: script }],
    compatibilityDate: like.compatibilityDate,
    compatibilityFlags: like.compatibilityFlags,
    bindings: vars ?? {},
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  } as NamedWorker;
}
