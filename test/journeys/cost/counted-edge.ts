import type { Env } from "../../../edge/env.ts";
import edge, {
  Coordinator as PlainCoordinator,
  DirectoryShard as PlainDirectoryShard,
} from "../../../edge/worker.ts";

// All of them, but for what is exported below under the same name.
export * from "../../../edge/worker.ts";

/**
 * The edge as it is, between counters: what Cloudflare would bill is written to the log as it happens, one line for each
 * event. Nothing of the edge is replaced.
 */
function count(event: string): void {
  console.log(`counted ${event}`);
}

const plainFetch = globalThis.fetch;
globalThis.fetch = ((...args: Parameters<typeof fetch>) => {
  count("subrequest");
  return plainFetch(...args);
}) as typeof fetch;

/** `target` with some of its methods announced; everything else is the real thing's. */
function watched<T extends object>(target: T, names: Readonly<Record<string, string>>): T {
  return new Proxy(target, {
    get(of, key) {
      const member: unknown = Reflect.get(of, key, of);
      if (typeof member !== "function") return member;
      const event = names[String(key)];
      return (...args: unknown[]) => {
        if (event) count(event);
        return Reflect.apply(member, of, args);
      };
    },
  });
}

function watchedEnv(env: Env): Env {
  return { ...env, ADDRESSES: watched(env.ADDRESSES, { get: "kv read", put: "kv write" }) };
}

export default {
  fetch(request: Request, env: Env, ctx: ExecutionContext) {
    count("worker request");
    return edge.fetch(request, watchedEnv(env), ctx);
  },
};

export class Coordinator extends PlainCoordinator {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, watchedEnv(env));
    watchStorage(this, ctx);
  }

  override locate(...args: Parameters<PlainCoordinator["locate"]>) {
    return timed("coordinator request", () => super.locate(...args));
  }

  override met(...args: Parameters<PlainCoordinator["met"]>) {
    return timed("coordinator request", () => super.met(...args));
  }

  override fellAsleep(...args: Parameters<PlainCoordinator["fellAsleep"]>) {
    return timed("coordinator request", () => super.fellAsleep(...args));
  }

  override unchanged(...args: Parameters<PlainCoordinator["unchanged"]>) {
    return timed("coordinator request", () => super.unchanged(...args));
  }

  override fetch(request: Request) {
    return timed("coordinator request", () => super.fetch(request));
  }

  /** The plain one has no use for messages; none may come. */
  override webSocketMessage(): void {
    count("coordinator message");
  }

  override webSocketClose(socket: WebSocket): void {
    count("coordinator close");
    super.webSocketClose(socket);
  }
}

export class DirectoryShard extends PlainDirectoryShard {
  override lookup(ids: string[]) {
    return timed("directory request", () => super.lookup(ids));
  }

  override register(homes: Record<string, string>) {
    return timed("directory request", () => super.register(homes));
  }

  override fetch() {
    return timed("directory request", () => super.fetch());
  }

  override async webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): Promise<void> {
    count("directory message");
    await super.webSocketMessage(socket, data);
  }
}

/** Wall-clock time is what an object's duration is billed by. */
async function timed<T>(event: string, work: () => Promise<T>): Promise<T> {
  count(event);
  const begun = Date.now();
  try {
    return await work();
  } finally {
    count(`duration ${Date.now() - begun}`);
  }
}

function watchStorage(object: object, ctx: DurableObjectState): void {
  const storage = new Proxy(ctx.storage, {
    get(of, key) {
      const member: unknown = Reflect.get(of, key, of);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        for (let n = rowsOf(args[0]); n > 0; n--) {
          if (key === "put") count("row written");
          if (key === "get") count("row read");
        }
        return Reflect.apply(member, of, args);
      };
    },
  });
  const watchedCtx = new Proxy(ctx, {
    get(of, key) {
      if (key === "storage") return storage;
      const member: unknown = Reflect.get(of, key, of);
      return typeof member === "function" ? member.bind(of) : member;
    },
  });
  Object.defineProperty(object, "ctx", { value: watchedCtx });
}

/** The storage takes one key, several, or an object of them. */
function rowsOf(keys: unknown): number {
  if (Array.isArray(keys)) return keys.length;
  return typeof keys === "object" && keys !== null ? Object.keys(keys).length : 1;
}
