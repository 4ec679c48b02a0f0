import type { RateLimiter } from "./client-limits.ts";
import type { DURABLE_OBJECTS } from "./durable-objects.ts";

type Classes = typeof import("./worker.ts");
type ObjectBindings = {
  readonly [Binding in keyof typeof DURABLE_OBJECTS]: DurableObjectNamespace<
    InstanceType<Classes[(typeof DURABLE_OBJECTS)[Binding]]>
  >;
};

/** The Worker's bindings and variables, as wrangler.toml declares them. Variables are read by `parseConfig` only. */
export interface Env extends ObjectBindings {
  readonly ADDRESSES: KVNamespace;
  readonly ASSETS: Fetcher;
  /** New sessions, and new Sprites, that one client may have; without the binding there is no limit. */
  readonly NEW_SESSIONS?: RateLimiter;
  readonly NEW_SPRITES?: RateLimiter;
  readonly [variable: string]: unknown;
}
